import type { ServiceMaps } from "../datapath/maps.ts";
import type { Adopted } from "./adopt.ts";
import type { ServiceCidrTable } from "./service_cidr_table.ts";

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
  /** With the entries that refuse unserved ports. */
  readonly frontends: MapUsage;
  readonly source_ranges: MapUsage;
  readonly service_cidrs: MapUsage;
}

export function usageOf(
  maps: ServiceMaps,
  { table, held, guards, sourceRanges, space }: Adopted,
  serviceCidrs: ServiceCidrTable,
): Usage {
  const { runs } = space;
  return {
    services: { entries: table.indices.used, capacity: table.indices.capacity },
    backends: { entries: space.backends.used, capacity: space.backends.capacity },
    slots: { entries: runs.capacity - runs.free, capacity: runs.capacity },
    frontends: { entries: held.size + guards.size, capacity: maps.frontends.capacity },
    source_ranges: { entries: sourceRanges.size, capacity: sourceRanges.capacity },
    service_cidrs: { entries: serviceCidrs.size, capacity: serviceCidrs.capacity },
  };
}
