/** Who can answer: two pods of the node, one of its pods that bypasses sockets, two pods of another node, and both nodes' host networks. */
export const backendNames = ["a-0", "a-1", "bypass", "b-0", "b-1", "host-a", "host-b"] as const;
export type BackendName = (typeof backendNames)[number];

export type Family = "IPv4" | "IPv6";
export type Protocol = "TCP" | "UDP";
export type TrafficPolicy = "Cluster" | "Local";

export const families = ["IPv4", "IPv6"] as const;

export interface EndpointCase {
  readonly on: BackendName;
  /** Default true; null: the condition is left out. */
  readonly ready?: boolean | null;
  /** Default as `ready`. */
  readonly serving?: boolean | null;
  /** Default false. */
  readonly terminating?: boolean | null;
  /** Default the one that it is on; null: none is named. */
  readonly nodeName?: string | null;
  readonly zoneHints?: readonly string[];
  readonly nodeHints?: readonly string[];
  /** Further addresses of the same endpoint, which nobody may use (KP-03). */
  readonly also?: BackendName;
}

export interface PortCase {
  /** Default that of the protocol. */
  readonly name?: string;
  readonly protocol: Protocol;
  /** Default 80. */
  readonly port?: number;
  /** Of the endpoints; default 8080. */
  readonly targetPort?: number | null;
  /** Name in the slices; default that of the Service port; null: none. */
  readonly sliceName?: string | null;
  /** Which of the Service's own; default the first; false: none. */
  readonly nodePort?: number | false;
}

/** A slice of its own in each family, in place of the one that holds all endpoints and ports. */
export interface SliceCase {
  readonly endpoints: readonly EndpointCase[];
  /** Default the Service's. */
  readonly ports?: readonly PortCase[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Default both of the Service's. */
  readonly families?: readonly Family[];
  readonly addressType?: "FQDN";
  /** Default that of the Service; null: none is named. */
  readonly serviceName?: string | null;
}

/** A Service without its addresses: those are the bench's to give. */
export interface ServiceCase {
  /** Default ClusterIP. */
  readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  readonly headless?: boolean;
  /** Default both; the first is the primary one. */
  readonly families?: readonly Family[];
  /** Default port 80 for TCP and UDP. */
  readonly ports?: readonly PortCase[];
  readonly endpoints?: readonly EndpointCase[];
  /** Instead of `endpoints`. */
  readonly slices?: readonly SliceCase[];
  readonly internalTrafficPolicy?: TrafficPolicy;
  readonly externalTrafficPolicy?: TrafficPolicy;
  /** Whether it has an address of that kind in each family. */
  readonly externalIP?: boolean;
  /** Of the balancer's addresses; default VIP, which is left out; none where the type is another. */
  readonly ipMode?: "VIP" | "Proxy";
  readonly sourceRanges?: readonly string[];
  readonly affinitySeconds?: number;
  /** Whether it has a healthCheckNodePort. */
  readonly healthCheck?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly trafficDistribution?: string;
}

/** What the node's zone is, if it has one. */
export interface NodeCase {
  readonly zone?: string;
}

export interface Scenario {
  readonly name: string;
  /** What it is at first, then after each change; all Services keep their addresses. */
  readonly steps: readonly ServiceCase[];
}

export const defaultPorts: readonly PortCase[] = [{ protocol: "TCP" }, { protocol: "UDP" }];

export const portsOf = ({ ports = defaultPorts }: ServiceCase): readonly PortCase[] => ports;
export const familiesOf = ({ families: own = families }: ServiceCase): readonly Family[] => own;
