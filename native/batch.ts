import { BpfError } from "./errors.ts";
import type { BpfMap } from "./map.ts";

/** Elements that lie end to end; only the first `count` places are meant. */
export interface MapBatch {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}

export const ENOENT = 2;
const EINVAL = 22;
const ENOTSUPP = 524;

/** A kernel without a batch form says one of these before the first element. */
export const lacksBatch = (errno: number): boolean => errno === EINVAL || errno === ENOTSUPP;

export const mapError = (map: BpfMap, operation: string, errno: number): BpfError =>
  new BpfError({ operation, target: map.info.name, errno });
