import type {
  BackendArray,
  Frontend,
  FrontendKey,
  ServiceArray,
  ServiceCidrKey,
  ServiceName,
  ServiceStats,
  SourceRangeKey,
} from "../../bpf/build/layout.ts";
import type { NodePorts } from "./node_ports.ts";

/**
 * The service maps of `bpf/maps.h`, as the kernel holds them or as the twin does. The three arrays
 * are live: a store is visible to the programs at once. Only the agent writes them.
 */
export interface ServiceMaps {
  readonly services: ServiceArray;
  readonly backends: BackendArray;
  /** Backend indices; a slice word of a service names a run of them. */
  readonly slots: Uint32Array;
  readonly frontends: FrontendMap;
  readonly names: NameMap;
  readonly sourceRanges: SourceRangeMap;
  readonly serviceCidrs: ServiceCidrMap;
  readonly nodePorts: NodePorts;
  /** Resolves when no program can still be reading what was replaced before the call. */
  gracePeriod(): Promise<void>;
}

/** Writes go out in one batch and throw a MapError that says how far they came. */
export interface FrontendMap {
  readonly capacity: number;
  entries(): Iterable<readonly [FrontendKey, Frontend]>;
  update(entries: readonly (readonly [FrontendKey, Frontend])[]): void;
  /** Keys that are absent are no error. */
  delete(keys: readonly FrontendKey[]): void;
}

/** A set of ranges of addresses. Batches as of frontends. */
export interface RangeMap<Key> {
  readonly capacity: number;
  entries(): Iterable<Key>;
  add(ranges: readonly Key[]): void;
  /** Ranges that are absent are no error. */
  delete(ranges: readonly Key[]): void;
}

/** For each service that limits who may use it (KP-24). */
export type SourceRangeMap = RangeMap<SourceRangeKey>;

/** Where ClusterIPs come from (KP-31). */
export type ServiceCidrMap = RangeMap<ServiceCidrKey>;

export interface NameMap {
  /** By service index; entries whose family is 0 are left out. */
  entries(): Iterable<readonly [number, ServiceName]>;
  update(entries: readonly (readonly [number, ServiceName])[]): void;
}

/** Read only: counters summed over the CPUs. */
export interface StatsMap {
  read(service: number): ServiceStats;
}
