import type { FlowStateName } from "./flow_state.ts";
import { type FlowSweep, noneExpired } from "./flow_sweep.ts";

const INTERVAL_MS = 5_000;
/** At most this share of the time is spent sweeping, however large the table is. */
const SHARE = 0.01;

export interface FlowUsage {
  /** Flows that the last sweep left; 0 before the first one. */
  readonly flows: number;
  /** Since the start, by the state in which they ended. */
  readonly expired: Readonly<Record<FlowStateName, number>>;
  readonly lastSweepSeconds: number;
}

/** Sweeps now and then, one sweep at a time, the first one at once. */
export class FlowCollector {
  readonly #sweep: () => Promise<FlowSweep>;
  readonly #failed: (error: unknown) => void;
  readonly #intervalMs: number;
  readonly #expired: Record<FlowStateName, number> = { ...noneExpired };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #flows = 0;
  #lastSweepMs = 0;

  constructor(
    sweep: () => Promise<FlowSweep>,
    failed: (error: unknown) => void,
    intervalMs: number = INTERVAL_MS,
  ) {
    this.#sweep = sweep;
    this.#failed = failed;
    this.#intervalMs = intervalMs;
    this.#running = this.#run();
  }

  usage(): FlowUsage {
    return {
      flows: this.#flows,
      expired: { ...this.#expired },
      lastSweepSeconds: this.#lastSweepMs / 1000,
    };
  }

  /** Resolves when no sweep is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    try {
      this.#take(await this.#sweep());
    } catch (error) {
      this.#failed(error);
    }
    this.#lastSweepMs = performance.now() - startedAt;
    if (this.#isStopped) return;
    const delay = Math.max(this.#intervalMs, this.#lastSweepMs / SHARE);
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, delay).unref();
  }

  /** A flow of which one direction has been evicted is one all the same. */
  #take({ requests, replies, expired }: FlowSweep): void {
    this.#flows = Math.max(requests, replies);
    for (const state of Object.keys(expired) as FlowStateName[]) {
      this.#expired[state] += expired[state];
    }
  }
}
