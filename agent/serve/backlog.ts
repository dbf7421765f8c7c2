import type { SyncScope } from "./sync_metrics.ts";

export interface Published {
  readonly scope: SyncScope;
  /** How long it waited; undefined: nothing did. */
  readonly seconds: number | undefined;
}

/** What waits to be published, from the time at which the loop may publish it. */
export class Backlog {
  #hasArrived = false;
  #since: number | undefined;
  #scope: SyncScope = "full";

  arrived(): void {
    this.#hasArrived = true;
  }

  /** True: what has arrived waits from now on. */
  queue(): boolean {
    if (!this.#hasArrived || this.#since !== undefined) return false;
    this.#since = performance.now();
    return true;
  }

  /** Nothing waits any more. */
  publish(): Published {
    const scope = this.#scope;
    const seconds = this.#since && (performance.now() - this.#since) / 1000;
    this.#hasArrived = false;
    this.#since = undefined;
    this.#scope = "partial";
    return { scope, seconds };
  }
}
