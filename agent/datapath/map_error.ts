export type MapErrorCode = "full" | "failed";

/** A write to a service map that did not go through, in whole or in part. */
export class MapError extends Error {
  readonly code: MapErrorCode;
  readonly map: string;
  /** Entries of the batch that were written before the failure. */
  readonly done: number;

  constructor(code: MapErrorCode, map: string, done: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "MapError";
    this.code = code;
    this.map = map;
    this.done = done;
  }
}

/** The map has no room: a bigger one, or fewer Services, mends it (PF-08). */
export const isMapFull = (error: unknown): error is MapError =>
  error instanceof MapError && error.code === "full";
