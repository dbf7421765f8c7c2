import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** An endpoint; `pod` is anything that has addresses. */
export interface EndpointSpec {
  readonly pod: { readonly ip4: string; readonly ip6: string };
  /** Default none: the endpoint is local nowhere. */
  readonly nodeName?: string;
  /** Default true. */
  readonly ready?: boolean;
  /** Default as `ready`. */
  readonly serving?: boolean;
  /** Default false. */
  readonly terminating?: boolean;
}

export interface PortSpec {
  readonly name: string;
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
  readonly targetPort: number;
  readonly nodePort?: number;
  /** Instead of the Service's own. */
  readonly endpoints?: readonly EndpointSpec[];
}

export interface ServiceSpec {
  readonly name: string;
  /** A family without an address is not served. */
  readonly ip4?: string;
  readonly ip6?: string;
  readonly ports: readonly PortSpec[];
  readonly endpoints: readonly EndpointSpec[];
  readonly affinitySeconds?: number;
  readonly internalTrafficPolicy?: "Cluster" | "Local";
  readonly externalTrafficPolicy?: "Cluster" | "Local";
  /** Of either family, as are the next two. */
  readonly externalIPs?: readonly string[];
  readonly loadBalancerIPs?: readonly string[];
  readonly sourceRanges?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly healthCheckNodePort?: number;
}

type Family = "IPv4" | "IPv6";

export const tcp = (port: number, targetPort: number): PortSpec => ({
  name: `tcp-${port}`,
  protocol: "TCP",
  port,
  targetPort,
});

export const udp = (port: number, targetPort: number): PortSpec => ({
  name: `udp-${port}`,
  protocol: "UDP",
  port,
  targetPort,
});

export const familiesOf = ({ ip4, ip6 }: ServiceSpec): readonly Family[] => [
  ...(ip4 === undefined ? [] : (["IPv4"] as const)),
  ...(ip6 === undefined ? [] : (["IPv6"] as const)),
];

/** Writes a Service and its EndpointSlices as one file of a folder, whole or not at all. */
export async function writeService(folder: string, spec: ServiceSpec): Promise<void> {
  const objects = [
    service(spec),
    ...spec.ports.flatMap((port, index) => slices(spec, port, index)),
  ];
  const scratch = join(folder, `.${spec.name}`);
  await writeFile(scratch, objects.map((each) => `---\n${JSON.stringify(each)}\n`).join(""));
  await rename(scratch, fileOf(folder, spec.name));
}

export const removeService = (folder: string, name: string): Promise<void> =>
  rm(fileOf(folder, name));

const fileOf = (folder: string, name: string): string => join(folder, `${name}.yaml`);

const typeOf = ({ loadBalancerIPs, ports }: ServiceSpec): string => {
  if (loadBalancerIPs !== undefined) return "LoadBalancer";
  return ports.some(({ nodePort }) => nodePort !== undefined) ? "NodePort" : "ClusterIP";
};

const service = (spec: ServiceSpec) => {
  const { name, ip4, ip6, ports, affinitySeconds, internalTrafficPolicy = "Cluster" } = spec;
  const { externalTrafficPolicy, externalIPs, loadBalancerIPs = [], sourceRanges } = spec;
  const { annotations } = spec;
  const clusterIPs = [ip4, ip6].filter((address) => address !== undefined);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", annotations },
    spec: {
      type: typeOf(spec),
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: familiesOf(spec),
      ipFamilyPolicy: clusterIPs.length === 2 ? "RequireDualStack" : "SingleStack",
      internalTrafficPolicy,
      ports: ports.map((each) => ({
        name: each.name,
        protocol: each.protocol,
        port: each.port,
        targetPort: each.targetPort,
        nodePort: each.nodePort,
      })),
      externalTrafficPolicy,
      externalIPs,
      loadBalancerSourceRanges: sourceRanges,
      healthCheckNodePort: spec.healthCheckNodePort,
      ...(affinitySeconds === undefined ? {} : affinity(affinitySeconds)),
    },
    status: { loadBalancer: { ingress: loadBalancerIPs.map((ip) => ({ ip })) } },
  };
};

const affinity = (timeoutSeconds: number) => ({
  sessionAffinity: "ClientIP",
  sessionAffinityConfig: { clientIP: { timeoutSeconds } },
});

/** One slice per port and family, so that ports can have endpoints of their own. */
const slices = (spec: ServiceSpec, port: PortSpec, index: number) =>
  familiesOf(spec).map((addressType) => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${spec.name}-${addressType.toLowerCase()}-${index}`,
      namespace: "default",
      labels: { "kubernetes.io/service-name": spec.name },
    },
    addressType,
    ports: [{ name: port.name, protocol: port.protocol, port: port.targetPort }],
    endpoints: (port.endpoints ?? spec.endpoints).map((each) => endpoint(each, addressType)),
  }));

const endpoint = (spec: EndpointSpec, family: Family) => {
  const { pod, nodeName, ready = true, serving = ready, terminating = false } = spec;
  return {
    addresses: [family === "IPv4" ? pod.ip4 : pod.ip6],
    conditions: { ready, serving, terminating },
    ...(nodeName === undefined ? {} : { nodeName }),
  };
};
