/**
 * The fields that an object may have, as far as they need to be told apart. "any" covers what
 * kubectl prints and nobody writes by hand.
 */
export type Schema =
  | "any"
  | "boolean"
  | "integer"
  | "integerOrText"
  | "text"
  | "textMap"
  | { readonly list: Schema }
  | { readonly fields: Readonly<Record<string, Schema>> };

const list = (item: Schema): Schema => ({ list: item });
const object = (fields: Readonly<Record<string, Schema>>): Schema => ({ fields });

const metadata = object({
  name: "text",
  generateName: "text",
  namespace: "text",
  selfLink: "text",
  uid: "text",
  resourceVersion: "text",
  generation: "integer",
  creationTimestamp: "text",
  deletionTimestamp: "text",
  deletionGracePeriodSeconds: "integer",
  labels: "textMap",
  annotations: "textMap",
  ownerReferences: list(
    object({
      apiVersion: "text",
      kind: "text",
      name: "text",
      uid: "text",
      controller: "boolean",
      blockOwnerDeletion: "boolean",
    }),
  ),
  finalizers: list("text"),
  managedFields: "any",
});

const root = { apiVersion: "text", kind: "text", metadata } as const;

/** core/v1 Service of Kubernetes 1.36. */
export const serviceSchema = object({
  ...root,
  spec: object({
    ports: list(
      object({
        name: "text",
        protocol: "text",
        appProtocol: "text",
        port: "integer",
        targetPort: "integerOrText",
        nodePort: "integer",
      }),
    ),
    selector: "textMap",
    clusterIP: "text",
    clusterIPs: list("text"),
    type: "text",
    externalIPs: list("text"),
    sessionAffinity: "text",
    sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: "integer" }) }),
    loadBalancerIP: "text",
    loadBalancerSourceRanges: list("text"),
    loadBalancerClass: "text",
    allocateLoadBalancerNodePorts: "boolean",
    externalName: "text",
    externalTrafficPolicy: "text",
    internalTrafficPolicy: "text",
    trafficDistribution: "text",
    healthCheckNodePort: "integer",
    publishNotReadyAddresses: "boolean",
    ipFamilies: list("text"),
    ipFamilyPolicy: "text",
  }),
  status: object({
    loadBalancer: object({
      ingress: list(object({ ip: "text", hostname: "text", ipMode: "text", ports: "any" })),
    }),
    conditions: "any",
  }),
});

/** discovery.k8s.io/v1 EndpointSlice of Kubernetes 1.36. */
export const sliceSchema = object({
  ...root,
  addressType: "text",
  endpoints: list(
    object({
      addresses: list("text"),
      conditions: object({ ready: "boolean", serving: "boolean", terminating: "boolean" }),
      hostname: "text",
      targetRef: "any",
      deprecatedTopology: "textMap",
      nodeName: "text",
      zone: "text",
      hints: object({
        forZones: list(object({ name: "text" })),
        forNodes: list(object({ name: "text" })),
      }),
    }),
  ),
  ports: list(object({ name: "text", protocol: "text", port: "integer", appProtocol: "text" })),
});

/** core/v1 Node of Kubernetes 1.36. */
export const nodeSchema = object({
  ...root,
  spec: object({
    podCIDR: "text",
    podCIDRs: list("text"),
    providerID: "text",
    unschedulable: "boolean",
    taints: list(object({ key: "text", value: "text", effect: "text", timeAdded: "text" })),
    configSource: "any",
    externalID: "text",
  }),
  status: object({
    addresses: list(object({ type: "text", address: "text" })),
    allocatable: "any",
    capacity: "any",
    conditions: "any",
    config: "any",
    daemonEndpoints: "any",
    declaredFeatures: "any",
    features: "any",
    images: "any",
    nodeInfo: "any",
    phase: "text",
    runtimeHandlers: "any",
    volumesAttached: "any",
    volumesInUse: "any",
  }),
});

/** networking.k8s.io/v1 ServiceCIDR of Kubernetes 1.36. */
export const serviceCidrSchema = object({
  ...root,
  spec: object({ cidrs: list("text") }),
  status: object({ conditions: "any" }),
});

/** What `kubectl get -o yaml` prints around several objects. */
export const listSchema = object({
  apiVersion: "text",
  kind: "text",
  metadata: "any",
  items: list("any"),
});
