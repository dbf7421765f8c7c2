import type { FlowsReport } from "./flow_report.ts";
import type { FlowStateName } from "./flow_state.ts";
import { type FlowSweep, noneExpired } from "./flow_sweep.ts";

const INTERVAL_MS = 5_000;
/** While there is little room: a flood takes it up, and sweeps protect what it would evict. */
const CROWDED_INTERVAL_MS = 1_000;
const CROWDED = 0.75;
/** At most this share of the time is spent sweeping, however large the table is. */
const SHARE = 0.05;

/** What is known of the flows from sweeping them. */
export type FlowUsage = Pick<FlowsReport, "inUse" | "expired" | "lastSweepSeconds">;

/** Before the first sweep, and where the kernel cannot sweep. */
export const unswept: FlowUsage = { inUse: null, expired: noneExpired, lastSweepSeconds: null };

/**
 * Sweeps now and then, one sweep at a time, the first one at once. A sweep marks idle connections as
 * used, so that what is evicted when the table is full are flows that nobody has answered.
 */
export class FlowCollector {
  readonly #sweep: () => Promise<FlowSweep>;
  readonly #failed: (error: unknown) => void;
  readonly #capacity: number;
  readonly #expired: Record<FlowStateName, number> = { ...noneExpired };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  #inUse: number | null = null;
  #lastSweepSeconds: number | null = null;

  /** `capacity`: flows that the table can hold. */
  constructor(sweep: () => Promise<FlowSweep>, failed: (error: unknown) => void, capacity: number) {
    this.#sweep = sweep;
    this.#failed = failed;
    this.#capacity = capacity;
    this.#running = this.#run();
  }

  usage(): FlowUsage {
    return {
      inUse: this.#inUse,
      expired: { ...this.#expired },
      lastSweepSeconds: this.#lastSweepSeconds,
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
      this.#take(await this.#sweep(), performance.now() - startedAt);
    } catch (error) {
      this.#failed(error);
    }
    if (this.#isStopped) return;
    const isCrowded = (this.#inUse ?? 0) > CROWDED * this.#capacity;
    const interval = isCrowded ? CROWDED_INTERVAL_MS : INTERVAL_MS;
    const delay = Math.max(interval, (performance.now() - startedAt) / SHARE);
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, delay).unref();
  }

  /** A flow of which one direction has been evicted is one all the same. */
  #take({ requests, replies, expired }: FlowSweep, tookMs: number): void {
    this.#inUse = Math.max(requests, replies);
    this.#lastSweepSeconds = tookMs / 1000;
    for (const state of Object.keys(expired) as FlowStateName[]) {
      this.#expired[state] += expired[state];
    }
  }
}
