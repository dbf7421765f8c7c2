/** Objects as a real API server gives them, with all that the agent does not need of them. */

export const ENDPOINTS = 10;

export interface ClusterObject {
  readonly metadata: { readonly namespace: string; readonly name: string };
}

const uid = (kind: number, n: number): string =>
  `8a3f3f5e-0e5e-4d5e-8f0${kind}-${n.toString(16).padStart(12, "0")}`;

const created = "2026-01-02T03:04:05Z";

const names = (n: number) => ({ namespace: `team-${n % 200}`, name: `checkout-${n}` });

const clusterIP = (n: number): string => `10.${96 + (n >> 16)}.${(n >> 8) & 0xff}.${n & 0xff}`;

/** Endpoint `at` of Service `n`; each further generation of it is another pod. */
export const endpointAddress = (n: number, at: number, generation: number): string => {
  const host = n * ENDPOINTS + at;
  return `10.${128 + (generation % 100)}.${(host >> 8) & 0xff}.${host & 0xff}`;
};

export function serviceObject(n: number, resourceVersion: string): ClusterObject {
  const { namespace, name } = names(n);
  const ports = [{ name: "http", protocol: "TCP", port: 80, targetPort: "http" }];
  const selector = { "app.kubernetes.io/name": name, "app.kubernetes.io/instance": "production" };
  const labels = { ...selector, "app.kubernetes.io/managed-by": "Helm", team: namespace };
  return {
    metadata: {
      name,
      namespace,
      uid: uid(1, n),
      resourceVersion,
      creationTimestamp: created,
      labels,
      annotations: {
        "meta.helm.sh/release-name": name,
        "meta.helm.sh/release-namespace": namespace,
      },
      managedFields: [managed("helm", "v1", serviceFields)],
    },
    spec: {
      ports,
      selector,
      clusterIP: clusterIP(n + 1),
      clusterIPs: [clusterIP(n + 1)],
      type: "ClusterIP",
      sessionAffinity: "None",
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      internalTrafficPolicy: "Cluster",
    },
    status: { loadBalancer: {} },
  } as ClusterObject;
}

/** The EndpointSlice of Service `n` in which the endpoints have these generations. */
export function sliceObject(
  n: number,
  resourceVersion: string,
  generations: readonly number[],
): ClusterObject {
  const { namespace, name } = names(n);
  return {
    metadata: {
      name: `${name}-x7k2p`,
      generateName: `${name}-`,
      namespace,
      uid: uid(2, n),
      resourceVersion,
      generation: 3,
      creationTimestamp: created,
      labels: {
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/name": name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": name,
        team: namespace,
      },
      annotations: { "endpoints.kubernetes.io/last-change-trigger-time": created },
      ownerReferences: [
        { apiVersion: "v1", kind: "Service", name, uid: uid(1, n), controller: true },
      ],
      managedFields: [managed("kube-controller-manager", "discovery.k8s.io/v1", sliceFields)],
    },
    addressType: "IPv4",
    endpoints: generations.map((generation, at) => endpoint(n, at, generation)),
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  } as ClusterObject;
}

function endpoint(n: number, at: number, generation: number) {
  const { namespace, name } = names(n);
  const host = n * ENDPOINTS + at;
  return {
    addresses: [endpointAddress(n, at, generation)],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: `worker-${host % 500}`,
    targetRef: {
      kind: "Pod",
      namespace,
      name: `${name}-5d8f9c7b6d-${host.toString(36).padStart(5, "x")}`,
      uid: uid(3, host),
    },
    zone: `eu-central-1${"abc"[host % 3]}`,
    hints: { forZones: [{ name: `eu-central-1${"abc"[host % 3]}` }] },
  };
}

const managed = (manager: string, apiVersion: string, fieldsV1: object) => ({
  manager,
  operation: "Update",
  apiVersion,
  time: created,
  fieldsType: "FieldsV1",
  fieldsV1,
});

const serviceFields = {
  "f:metadata": {
    "f:annotations": { ".": {}, "f:meta.helm.sh/release-name": {} },
    "f:labels": { ".": {}, "f:app.kubernetes.io/name": {}, "f:app.kubernetes.io/instance": {} },
  },
  "f:spec": {
    "f:internalTrafficPolicy": {},
    "f:ports": {
      ".": {},
      'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:name": {}, "f:port": {}, "f:protocol": {} },
    },
    "f:selector": {},
    "f:sessionAffinity": {},
    "f:type": {},
  },
};

const sliceFields = {
  "f:addressType": {},
  "f:endpoints": {},
  "f:metadata": {
    "f:annotations": { ".": {}, "f:endpoints.kubernetes.io/last-change-trigger-time": {} },
    "f:generateName": {},
    "f:labels": {
      ".": {},
      "f:endpointslice.kubernetes.io/managed-by": {},
      "f:kubernetes.io/service-name": {},
    },
    "f:ownerReferences": {
      ".": {},
      'k:{"uid":"8a3f3f5e-0e5e-4d5e-8f01-000000000000"}': {},
    },
  },
  "f:ports": {},
};
