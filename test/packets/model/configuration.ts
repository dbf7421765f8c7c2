/** What the maps hold, as packet tests say it: the rig writes it, the model reads it. */
export interface Configuration {
  readonly services: readonly ServiceSpec[];
  /** Addresses all of whose ports without a frontend are refused (KP-31). */
  readonly unserved?: readonly string[];
  /** Where ClusterIPs come from: an address inside without a frontend is refused (KP-31). */
  readonly serviceCidrs?: readonly string[];
  readonly settings?: SettingsSpec;
  /** Flags of devices that differ from the world's, by name. */
  readonly deviceFlags?: Readonly<Record<string, number>>;
}

export interface ServiceSpec {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly frontends: readonly FrontendSpec[];
  /** A place in this list is an index for good: one that has gone keeps its place. */
  readonly backends: readonly BackendSpec[];
  readonly externalLocal?: boolean;
  readonly internalLocal?: boolean;
  readonly affinitySeconds?: number;
  /** Places of backends in the slots of both slices; by default each that is in the slice, once. */
  readonly maglev?: readonly number[];
  /** CIDRs that may use LoadBalancer addresses; absent: everyone. */
  readonly sourceRanges?: readonly string[];
}

export interface FrontendSpec {
  readonly kind: "ClusterIP" | "ExternalIP" | "LoadBalancer" | "NodePort";
  /** Of a NodePort: which family. */
  readonly address: string;
  readonly port: number;
}

export interface BackendSpec {
  readonly address: string;
  readonly port: number;
  /** Runs on this node; it is then in the local slice too. */
  readonly local?: boolean;
  /** In neither slice any more. */
  readonly dead?: boolean;
  readonly generation?: number;
}

export interface SettingsSpec {
  readonly clusterIpFromOutside?: boolean;
  /** Inclusive; default 40000 to 49999. */
  readonly snatPorts?: readonly [number, number];
  /** False: the node has no address of its own in either family. */
  readonly nodeAddress?: boolean;
}

export const nodePorts = [30000, 32767] as const;
export const defaultSnatPorts = [40000, 49999] as const;

/** Index into `backends` of a service's backend; 0 is never used. */
export const backendIndex = (service: number, place: number): number => 1 + service * 32 + place;

/** Index into `services`; 0 is never used. */
export const serviceIndex = (place: number): number => 1 + place;

export const isInSlice = (backend: BackendSpec, slice: "cluster" | "local"): boolean =>
  !backend.dead && (slice === "cluster" || backend.local === true);

/** The places of the backends in the slots of a slice. */
export function slotsOf(service: ServiceSpec, slice: "cluster" | "local"): readonly number[] {
  const places = service.maglev ?? service.backends.keys().toArray();
  return places.filter((place) => {
    const backend = service.backends[place];
    return backend !== undefined && isInSlice(backend, slice);
  });
}

/** How long a flow is kept after its last packet, in ticks of 1.07 s. */
export const timeouts = {
  tcpOpening: 60,
  tcpEstablished: 86400,
  tcpClosing: 60,
  tcpClosed: 10,
  udp: 30,
  udpStream: 120,
} as const;
