import type { Clock } from "../../agent/sources/clock.ts";

/**
 * A clock on which waits of up to an hour's Retry-After pass at once and are written down, except
 * those for silence, which are over when the test says so. So is what happens again and again.
 */
export class TestClock implements Clock {
  /** The waits after failures, in milliseconds. */
  readonly waits: number[] = [];
  readonly #silences = new Set<() => void>();
  readonly #beats = new Set<() => void>();
  #skipped = 0;

  now(): number {
    return Date.now() + this.#skipped;
  }

  skip(milliseconds: number): void {
    this.#skipped += milliseconds;
  }

  setTimeout(callback: () => void, delayMilliseconds: number): () => void {
    if (delayMilliseconds === 75_000 || delayMilliseconds === 150_000) {
      this.#silences.add(callback);
      return () => this.#silences.delete(callback);
    }
    this.waits.push(delayMilliseconds);
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  }

  every(callback: () => void): () => void {
    this.#beats.add(callback);
    return () => this.#beats.delete(callback);
  }

  /** Lets so much time pass, and a period of whatever happens again and again end with it. */
  beatAfter(milliseconds: number): void {
    this.skip(milliseconds);
    for (const callback of this.#beats) callback();
  }

  /** Lets the time for every answer that is waited for run out. */
  endSilences(): void {
    for (const callback of [...this.#silences]) callback();
  }
}
