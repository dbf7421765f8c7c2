import type { ServiceMaps } from "../datapath/maps.ts";
import type { Adopted } from "./adopt.ts";

/** Entries in use; records that await their grace period count as used. */
export interface MapUsage {
  readonly entries: number;
  readonly capacity: number;
}

/** How full each service map is (PF-08). */
export interface Usage {
  readonly services: MapUsage;
  readonly backends: MapUsage;
  readonly slots: MapUsage;
  readonly frontends: MapUsage;
}

export function usageOf(maps: ServiceMaps, { table, held, space }: Adopted): Usage {
  const { runs } = space;
  return {
    services: { entries: table.indices.used, capacity: table.indices.capacity },
    backends: { entries: space.backends.used, capacity: space.backends.capacity },
    slots: { entries: runs.capacity - runs.free, capacity: runs.capacity },
    frontends: { entries: held.size, capacity: maps.frontends.capacity },
  };
}
