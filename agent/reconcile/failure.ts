import { isMapFull } from "../datapath/map_error.ts";

/**
 * `full`: a map has no room (PF-08). `conflict`: another Service port answers at the same address
 * and port. `write`: the kernel refused a write.
 */
export type FailureCode = "full" | "conflict" | "write";

/** Why the kernel does not hold one Service port as it should. It is kept for `retry`. */
export interface ServiceFailure {
  /** As `portKey` spells it. */
  readonly key: string;
  readonly code: FailureCode;
  readonly message: string;
}

type SizedMap = "services" | "backends" | "slots" | "frontends" | "source_ranges";

const flagOf: Readonly<Record<SizedMap, string>> = {
  services: "--max-services",
  backends: "--max-endpoints",
  slots: "--max-slots",
  frontends: "--max-frontends",
  source_ranges: "--max-source-ranges",
};

export function mapFull(key: string, map: SizedMap, capacity: number): ServiceFailure {
  const message = `the map ${map} has no room left in its ${capacity} entries: raise ${flagOf[map]}, which takes effect after "sluice cleanup"`;
  return { key, code: "full", message };
}

export function conflict(key: string, frontend: string, holder: string): ServiceFailure {
  const message = `${frontend} already belongs to ${holder}: give one of the two another address or port`;
  return { key, code: "conflict", message };
}

export function stillHeld(key: string, frontend: string): ServiceFailure {
  return {
    key,
    code: "write",
    message: `${frontend} could not be taken out of the map frontends yet`,
  };
}

/** The capacity is that of the map which was written to. */
export function writeFailed(key: string, error: Error, capacity: number): ServiceFailure {
  if (isMapFull(error) && isSized(error.map)) return mapFull(key, error.map, capacity);
  return { key, code: "write", message: error.message };
}

const isSized = (map: string): map is SizedMap => map in flagOf;
