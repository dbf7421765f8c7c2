import type {
  BackendArray,
  Frontend,
  FrontendKey,
  ServiceArray,
  ServiceName,
  ServiceStats,
} from "../../bpf/build/layout.ts";

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

export interface NameMap {
  /** By service index; entries whose family is 0 are left out. */
  entries(): Iterable<readonly [number, ServiceName]>;
  update(entries: readonly (readonly [number, ServiceName])[]): void;
}

/** Read only: counters summed over the CPUs. */
export interface StatsMap {
  read(service: number): ServiceStats;
}
