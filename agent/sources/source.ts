import type { Resource, SourceEvent } from "../model/event.ts";

export type SourceProblem = {
  /** What was being read: a file, an object, a request. */
  readonly target: string;
  /** One sentence: what is wrong and what mends it. */
  readonly message: string;
};

/** Where a source stands with one resource. */
export interface ResourceStatus {
  readonly resource: Resource;
  readonly synced: boolean;
  /** Objects held. */
  readonly objects: number;
  /** Lists made since the start; more than one means that a watch had to be begun anew (PF-03). */
  readonly lists: number;
  readonly lastEventAt: Date | undefined;
  /**
   * When what is held was last known to be what the API server has. Not of a folder: it is read when
   * something changes.
   */
  readonly confirmedAt?: Date | undefined;
  /** The API server does not have the resource, or not for us, and everything else works without. */
  readonly withheld?: boolean;
  readonly error: string | undefined;
}

export interface SourceStatus {
  readonly kind: "kubernetes" | "directory";
  readonly target: string;
  readonly resources: readonly ResourceStatus[];
  /** Standing problems with single objects; the newest last; at most 100. */
  readonly problems: readonly SourceProblem[];
}

/** The source of the desired state. Implementations never throw after `start`: they retry and report. */
export interface Source {
  /** Calls `sink` with non-empty batches in order, until `stop`. */
  start(sink: (events: readonly SourceEvent[]) => void): void;
  stop(): Promise<void>;
  status(): SourceStatus;
}
