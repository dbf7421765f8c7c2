import { setTimeout as delay } from "node:timers/promises";
import { RequestFailure } from "../sources/kubernetes/failure.ts";
import { type AgentEvent, objectText, type Series, sameness } from "./event.ts";
import type { EventApi, EventPath } from "./event_api.ts";
import { EventFilter } from "./event_filter.ts";

export interface EventRecorderOptions {
  readonly api: EventApi;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Told why events cannot be made; once, until one has been made. */
  readonly warn: (message: string) => void;
  readonly retryMs?: number;
}

/** What became of events since the start. */
export interface EventCounts {
  readonly sent: number;
  /** Told before, or too many. */
  readonly suppressed: number;
  readonly failed: number;
}

interface Waiting {
  readonly event: AgentEvent;
  /** Undefined: it is to be created. */
  readonly series: Series | undefined;
}

const queueLength = 200;
const requestMs = 10_000;
/** As client-go: an API server that is away for two minutes misses nothing. */
const attempts = 12;

/**
 * Tells the API server what an operator must know. Nothing waits for it and nothing fails with it:
 * what cannot be told is dropped, and counted.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #now: () => number;
  readonly #filter: EventFilter;
  /** Of what has been created, by its sameness; the newest last. */
  readonly #paths = new Map<string, EventPath>();
  readonly #queue: Waiting[] = [];
  readonly #stop = new AbortController();
  readonly #counts = { sent: 0, suppressed: 0, failed: 0 };
  #working: Promise<void> | undefined;
  #warned = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#filter = new EventFilter(this.#now());
  }

  /** Returns at once. */
  record(event: AgentEvent): void {
    const verdict = this.#filter.judge(event, this.#now());
    if (verdict.kind === "suppress" || this.#queue.length >= queueLength) {
      this.#counts.suppressed++;
      return;
    }
    const series = verdict.kind === "repeat" ? verdict.series : undefined;
    this.#queue.push({ event, series });
    this.#begin();
  }

  get counts(): EventCounts {
    return { ...this.#counts };
  }

  /** What waits is dropped. */
  async close(): Promise<void> {
    this.#queue.length = 0;
    this.#stop.abort();
    await this.#working;
    this.#options.api.close();
  }

  #begin(): void {
    if (this.#queue.length === 0) return;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      this.#begin();
    });
  }

  async #work(): Promise<void> {
    // Not in the midst of what the caller does.
    await delay(0);
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#tell(next);
    }
  }

  async #tell(waiting: Waiting): Promise<void> {
    for (let attempt = 1; !this.#stop.signal.aborted; attempt++) {
      try {
        await this.#send(waiting);
        this.#counts.sent++;
        this.#warned = false;
        return;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#warn(waiting, error);
        if (!isTransient(error) || attempt === attempts) break;
      }
      const { retryMs = 10_000 } = this.#options;
      const wait = { ref: false, signal: this.#stop.signal };
      await delay(retryMs, undefined, wait).catch(() => undefined);
    }
    this.#counts.failed++;
    this.#filter.forget(waiting.event);
    this.#paths.delete(sameness(waiting.event));
  }

  async #send({ event, series }: Waiting): Promise<void> {
    const { api } = this.#options;
    const key = sameness(event);
    const path = this.#paths.get(key);
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(requestMs)]);
    if (series !== undefined && path !== undefined) return await api.repeat(path, series, signal);
    const created = await api.create(event, this.#now(), signal);
    this.#paths.delete(key);
    this.#paths.set(key, created);
    const [oldest] = this.#paths.keys();
    if (this.#paths.size > queueLength && oldest !== undefined) this.#paths.delete(oldest);
  }

  #warn({ event }: Waiting, error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const why = error instanceof Error ? error.message : String(error);
    this.#options.warn(`no event about ${objectText(event.regarding)} was made: ${why}`);
  }
}

/** Perhaps it works later: the API server is away or busy, or did not answer in time. */
const isTransient = (error: unknown): boolean =>
  !(error instanceof RequestFailure) || error.code === "unreachable" || error.code === "busy";
