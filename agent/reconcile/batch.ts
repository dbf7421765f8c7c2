import { MapError } from "../datapath/map_error.ts";

/**
 * Writes all entries in batches. One that fails is reported and passed over, and the batches grow
 * again from one entry after it, so that no entry suffers for another. What is no MapError is thrown.
 */
export function writeBatches<T>(
  entries: readonly T[],
  write: (batch: readonly T[]) => void,
  written: (entry: T) => void,
  failed: (entry: T, error: MapError) => void,
): void {
  let size = entries.length;
  for (let at = 0; at < entries.length; ) {
    const batch = entries.slice(at, at + size);
    const error = attempt(batch, write);
    const done = Math.min(error?.done ?? batch.length, batch.length);
    for (const entry of batch.slice(0, done)) written(entry);
    at += done;
    size *= 2;
    if (error === undefined) continue;
    size = 1;
    const culprit = batch[done];
    if (culprit === undefined) continue;
    failed(culprit, error);
    at++;
  }
}

function attempt<T>(batch: readonly T[], write: (batch: readonly T[]) => void) {
  try {
    write(batch);
    return undefined;
  } catch (error) {
    if (error instanceof MapError) return error;
    throw error;
  }
}
