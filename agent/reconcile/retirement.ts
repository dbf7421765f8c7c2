import type { Slice } from "../datapath/slice.ts";

/** What nothing names any more, though a program that started earlier may still be reading it. */
export interface Retired {
  readonly services: readonly number[];
  readonly backends: readonly number[];
  readonly runs: readonly Slice[];
  /** Services whose source ranges no frontend names any more. */
  readonly sourceRanges: readonly number[];
}

/**
 * Gives indices and slots back one grace period after they were retired (PF-01). One grace period
 * runs at a time; what is retired meanwhile waits together for the next.
 */
export class Retirement {
  readonly #gracePeriod: () => Promise<void>;
  readonly #reclaim: (retired: Retired) => void;
  #services: number[] = [];
  #backends: number[] = [];
  #runs: Slice[] = [];
  #sourceRanges: number[] = [];
  #running: Promise<void> | undefined;
  #ended = 0;

  constructor(gracePeriod: () => Promise<void>, reclaim: (retired: Retired) => void) {
    this.#gracePeriod = gracePeriod;
    this.#reclaim = reclaim;
  }

  /** Something is about to be given back. */
  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Nothing waits to be given back. */
  get isIdle(): boolean {
    return this.#running === undefined && this.#queued === 0;
  }

  /** Grace periods that ended since the start, or could not be had. */
  get ended(): number {
    return this.#ended;
  }

  service(index: number): void {
    this.#services.push(index);
  }

  backend(index: number): void {
    this.#backends.push(index);
  }

  run(run: Slice): void {
    if (run.count > 0) this.#runs.push(run);
  }

  sourceRanges(service: number): void {
    this.#sourceRanges.push(service);
  }

  /** Begins a grace period for what is queued, unless one runs. Call after the last store. */
  start(): void {
    if (this.#running !== undefined || this.#queued === 0) return;
    const retired = {
      services: this.#services,
      backends: this.#backends,
      runs: this.#runs,
      sourceRanges: this.#sourceRanges,
    };
    this.#services = [];
    this.#backends = [];
    this.#runs = [];
    this.#sourceRanges = [];
    this.#running = this.#gracePeriod().then(
      () => this.#finish(retired),
      () => this.#postpone(retired),
    );
  }

  /** Resolves when the grace period that is running has ended; at once when none is. */
  settled(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  get #queued(): number {
    const ranges = this.#sourceRanges.length;
    return this.#services.length + this.#backends.length + this.#runs.length + ranges;
  }

  #finish(retired: Retired): void {
    this.#running = undefined;
    this.#ended++;
    this.#reclaim(retired);
    this.start();
  }

  /** No grace period could be had: all of it waits for the next start. */
  #postpone({ services, backends, runs, sourceRanges }: Retired): void {
    this.#running = undefined;
    this.#ended++;
    this.#services = [...services, ...this.#services];
    this.#backends = [...backends, ...this.#backends];
    this.#runs = [...runs, ...this.#runs];
    this.#sourceRanges = [...sourceRanges, ...this.#sourceRanges];
  }
}
