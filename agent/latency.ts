/** Percentiles over the most recent values. */
export class LatencyWindow {
  readonly #values: Float64Array;
  #count = 0;

  constructor(size = 1024) {
    this.#values = new Float64Array(size);
  }

  add(microseconds: number): void {
    this.#values[this.#count++ % this.#values.length] = microseconds;
  }

  read(): {
    readonly p50Microseconds: number;
    readonly p99Microseconds: number;
    readonly maxMicroseconds: number;
  } {
    const sorted = this.#values.slice(0, Math.min(this.#count, this.#values.length)).sort();
    const at = (share: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
    return { p50Microseconds: at(0.5), p99Microseconds: at(0.99), maxMicroseconds: at(1) };
  }
}
