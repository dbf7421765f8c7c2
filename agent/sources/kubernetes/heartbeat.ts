import type { Clock } from "../clock.ts";

/** All in milliseconds. */
const tick = 250;
/** A random time between the two passes in silence before the server is asked. */
const quiet = { least: 3_000, most: 3_750 } as const;
/** How long an answer may take. */
export const answerTime = 4_000;
/** A silence of more cannot be: by then an answer is overdue. */
export const longestSilence = quiet.most + tick + answerTime;
/** So long after the last word, and two questions, connections are given up: another server may live. */
const cutTime = 15_000;

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Resolves with any answer of the API server, and rejects without or when the signal fires. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
  /** Something came, and the time of it in milliseconds since 1970. */
  readonly heard: (now: number) => void;
  /** The first question since something came had no answer. */
  readonly lost: () => void;
  /** Nothing has come for 15 s, and again after each 15 s more. */
  readonly silent: (milliseconds: number) => void;
  /** Something came again after an answer did not. */
  readonly back: () => void;
}

/**
 * Knows within 8 s that the API server has fallen silent (PF-03): a watch may rightly say nothing for
 * a minute, so when no request has brought anything for 3 to 4 s, it is asked. In a busy cluster
 * watches are never silent and nobody asks; in a quiet one of N nodes there are N / 4 questions a
 * second, and chance keeps the nodes out of step.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #stop = () => {};
  #question: { readonly askedAt: number; readonly deadline: AbortController } | undefined;
  #askedAt = 0;
  #heardAt = 0;
  #cutAt = 0;
  #patience: number;
  /** A question had no answer, and nothing else has come since. */
  #isLost = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#patience = this.#drawPatience();
  }

  start(): void {
    const { clock } = this.#options;
    this.#heardAt = clock.now();
    this.#stop = clock.every(() => this.#beat(clock.now()), tick);
  }

  stop(): void {
    this.#stop();
    this.#question?.deadline.abort();
  }

  /** Something came from the API server, whoever had asked for it. */
  heard(): void {
    const now = this.#options.clock.now();
    this.#heardAt = now;
    this.#options.heard(now);
    if (!this.#isLost) return;
    this.#isLost = false;
    this.#options.back();
  }

  #beat(now: number): void {
    if (this.#question === undefined) {
      const since = Math.max(this.#heardAt, this.#askedAt);
      if (now - since >= this.#patience) void this.#ask(now);
    } else if (now - this.#question.askedAt >= answerTime) this.#question.deadline.abort();
    // A clock that was set, or a machine that slept, is no silence: a question comes first.
    if (!this.#isLost || now - Math.max(this.#heardAt, this.#cutAt) < cutTime) return;
    this.#cutAt = now;
    this.#options.silent(now - this.#heardAt);
  }

  async #ask(askedAt: number): Promise<void> {
    const deadline = new AbortController();
    this.#question = { askedAt, deadline };
    this.#askedAt = askedAt;
    this.#patience = this.#drawPatience();
    try {
      await this.#options.ask(deadline.signal);
    } catch {
      if (this.#heardAt < askedAt) this.#lose();
    } finally {
      this.#question = undefined;
    }
  }

  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#options.lost();
  }

  #drawPatience(): number {
    return quiet.least + (quiet.most - quiet.least) * this.#options.random();
  }
}
