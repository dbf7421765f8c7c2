import type { Scheduler } from "./scheduler.ts";

export interface BackoffLimits {
  readonly firstMilliseconds: number;
  readonly capMilliseconds: number;
}

/** One pending attempt at a time, each after twice the delay of the one before, up to a cap. */
export class Backoff {
  readonly #scheduler: Scheduler;
  readonly #limits: BackoffLimits;
  readonly #attempt: () => void;
  #delay: number;
  #cancel: (() => void) | undefined;

  constructor(scheduler: Scheduler, limits: BackoffLimits, attempt: () => void) {
    this.#scheduler = scheduler;
    this.#limits = limits;
    this.#attempt = attempt;
    this.#delay = limits.firstMilliseconds;
  }

  /** Plans the next attempt, unless one is planned. */
  plan(): void {
    if (this.#cancel !== undefined) return;
    this.#cancel = this.#scheduler.after(this.#delay, () => {
      this.#cancel = undefined;
      this.#attempt();
    });
    this.#delay = Math.min(this.#delay * 2, this.#limits.capMilliseconds);
  }

  /** Nothing is left to attempt: the next delay is the first one again. */
  reset(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#delay = this.#limits.firstMilliseconds;
  }
}
