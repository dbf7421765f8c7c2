import type { StaleSocketReport } from "./stale_sockets.ts";

const FIRST_DELAY_MS = 200;
const LAST_DELAY_MS = 30_000;

/**
 * Walks again until a walk finds nothing, and at least twice: a connect() that chose the backend
 * just before it was retired may end only after the first walk (PF-20). It begins by itself: an agent
 * may have died between retiring a backend and looking for its sockets.
 */
export class StaleSocketHunt {
  readonly #walk: () => Promise<StaleSocketReport>;
  readonly #tell: (report: StaleSocketReport) => void;
  #timer: NodeJS.Timeout | undefined;
  #walking = false;
  #again = false;
  #destroyed = 0;

  constructor(walk: () => Promise<StaleSocketReport>, tell: (report: StaleSocketReport) => void) {
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
    if (this.#walking) this.#again = true;
    else void this.#run(FIRST_DELAY_MS, true);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#again = false;
  }

  async #run(delay: number, first: boolean): Promise<void> {
    clearTimeout(this.#timer);
    this.#walking = true;
    const report = await this.#walk().catch((error: unknown) => failed(error));
    this.#walking = false;
    this.#destroyed += report.destroyed;
    if (report.found > 0 || report.problems.length > 0) this.#tell(report);
    if (this.#again) {
      this.#again = false;
      void this.#run(FIRST_DELAY_MS, true);
    } else if (first || report.found > 0) {
      const next = first ? delay : Math.min(delay * 2, LAST_DELAY_MS);
      this.#timer = setTimeout(() => void this.#run(next, false), delay);
      this.#timer.unref();
    }
  }
}

const failed = (error: unknown): StaleSocketReport => ({
  found: 0,
  destroyed: 0,
  problems: [error instanceof Error ? error.message : String(error)],
});
