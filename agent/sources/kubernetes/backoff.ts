const firstMilliseconds = 500;
const longestMilliseconds = 30_000;

/**
 * How long to wait after the n-th failure in a row: doubling from half a second to 30 s, of which
 * the second half is random, so that the nodes of a cluster do not return as one (PF-03).
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  /** `random` yields numbers from 0 up to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  nextMilliseconds(): number {
    const whole = Math.min(firstMilliseconds * 2 ** this.#failures, longestMilliseconds);
    if (whole < longestMilliseconds) this.#failures++;
    return Math.round(whole / 2 + (whole / 2) * this.#random());
  }

  reset(): void {
    this.#failures = 0;
  }
}
