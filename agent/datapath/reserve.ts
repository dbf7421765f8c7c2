import { Reserve } from "../../bpf/build/layout.ts";

/** By map; what is not named has nothing in reserve. */
const entries: Readonly<Record<string, number>> = {
  services: Reserve.SERVICES,
  service_stats: Reserve.SERVICES,
  backends: Reserve.BACKENDS,
  slots: Reserve.SLOT_LINES,
  frontends: Reserve.FRONTENDS,
  source_ranges: Reserve.SOURCE_RANGES,
};

/** Entries that a map is made with, so that `wanted` are left for Services. */
export const withReserve = (map: string, wanted: number): number => wanted + (entries[map] ?? 0);

/** Entries that a map has for Services; see `enum reserve`. */
export const withoutReserve = (map: string, made: number): number =>
  Math.max(0, made - (entries[map] ?? 0));

/** Whether that index of a service is in reserve, where there are so many for Services. */
export const isReserved = (service: number, services: number): boolean =>
  service >= services && service < services + Reserve.SERVICES;
