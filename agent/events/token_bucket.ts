export interface BucketLimits {
  /** Tokens that it holds when full, as it is at first. */
  readonly burst: number;
  /** Until the next token comes. */
  readonly refillMs: number;
}

/** Lets so many pass at once, and then one at a time. Times are milliseconds on any one clock. */
export class TokenBucket {
  readonly #limits: BucketLimits;
  #tokens: number;
  #at: number;

  constructor(limits: BucketLimits, now: number) {
    this.#limits = limits;
    this.#tokens = limits.burst;
    this.#at = now;
  }

  /** Whether one may pass now. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** As one that has never been used. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens === this.#limits.burst;
  }

  #refill(now: number): void {
    const { burst, refillMs } = this.#limits;
    this.#tokens = Math.min(burst, this.#tokens + Math.max(0, now - this.#at) / refillMs);
    this.#at = now;
  }
}
