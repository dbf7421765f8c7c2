import type { StaleSocketReport } from "./stale_sockets.ts";

/** What is under way when its backend leaves has this long to end by itself. */
const GRACE_MS = 250;
const LAST_DELAY_MS = 30_000;

/**
 * Walks twice after a backend was retired, and on until a walk finds nothing: a walk destroys what
 * the one before it had found already (PF-20). An exchange that is nearly over is not broken off,
 * and a connect() that chose the backend just before it was retired is found in the end. It begins
 * by itself: an agent may have died between retiring a backend and looking for its sockets.
 */
export class StaleSocketHunt {
  readonly #walk: (known: ReadonlySet<bigint>) => Promise<StaleSocketReport>;
  readonly #tell: (report: StaleSocketReport) => void;
  #timer: NodeJS.Timeout | undefined;
  #delay = 0;
  /** Walks that are still to be made whatever they find. */
  #due = 0;
  /** Cookies of the sockets that the last walk found. */
  #known: ReadonlySet<bigint> = new Set();
  #walking = false;
  #stopped = false;
  #destroyed = 0;

  constructor(
    walk: (known: ReadonlySet<bigint>) => Promise<StaleSocketReport>,
    tell: (report: StaleSocketReport) => void,
  ) {
    this.#walk = walk;
    this.#tell = tell;
    this.start();
  }

  /** Since the start. */
  get destroyed(): number {
    return this.#destroyed;
  }

  /** Some UDP backend has been retired. */
  start(): void {
    this.#due = 2;
    const isPlanned = this.#timer !== undefined && this.#delay <= GRACE_MS;
    if (!this.#walking && !isPlanned) this.#plan(GRACE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stopped = true;
  }

  #plan(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#delay = delay;
    this.#timer = setTimeout(() => void this.#run(), delay);
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#walking = true;
    this.#due--;
    const report = await this.#walk(this.#known).catch((error: unknown) => failed(error));
    this.#walking = false;
    this.#known = report.found;
    this.#destroyed += report.destroyed;
    if (report.destroyed > 0 || report.problems.length > 0) this.#tell(report);
    if (this.#due > 0) this.#plan(GRACE_MS);
    else if (report.found.size > 0) this.#plan(Math.min(this.#delay * 2, LAST_DELAY_MS));
  }
}

const failed = (error: unknown): StaleSocketReport => ({
  found: new Set(),
  destroyed: 0,
  problems: [error instanceof Error ? error.message : String(error)],
});
