import type {
  BackendArray,
  Frontend,
  FrontendKey,
  ServiceArray,
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

/** A set of ranges for each service that limits who may use it (KP-24). Batches as of frontends. */
export interface SourceRangeMap {
  readonly capacity: number;
  entries(): Iterable<SourceRangeKey>;
  add(ranges: readonly SourceRangeKey[]): void;
  /** Ranges that are absent are no error. */
  delete(ranges: readonly SourceRangeKey[]): void;
}

export interface NameMap {
  /** By service index; entries whose family is 0 are left out. */
  entries(): Iterable<readonly [number, ServiceName]>;
  update(entries: readonly (readonly [number, ServiceName])[]): void;
}

/** Read only: counters summed over the CPUs. */
export interface StatsMap {
  read(service: number): ServiceStats;
}
