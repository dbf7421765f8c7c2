import type { Clock } from "../clock.ts";

/** Chance draws a time between the two, so that nodes do nothing in step. Milliseconds, like all here. */
interface Span {
  readonly least: number;
  readonly most: number;
}

const tick = 250;
/** So long there is silence before the server is asked. */
const quiet = { least: 3_000, most: 3_750 } as const satisfies Span;
/** How long an answer may take. */
export const answerTime = 4_000;
/** A silence of more cannot be: by then an answer is overdue. */
export const longestSilence = quiet.most + tick + answerTime;
/** So long after the last word, and two questions, connections are given up: another server may live. */
const cut = { least: 15_000, most: 20_000 } as const satisfies Span;
/** So long after the next word, what was left waiting is tried again. */
const recovery = { least: 0, most: 2_000 } as const satisfies Span;

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
  /** Nothing has come for 15 to 20 s, and again after each 15 to 20 s more. */
  readonly silent: (milliseconds: number) => void;
  /** Something came again after an answer did not, up to 2 s ago. */
  readonly back: () => void;
}

/**
 * Knows within 8 s that the API server has fallen silent (PF-03): a watch may rightly say nothing for
 * a minute, so when no request has brought anything for 3 to 4 s, it is asked. In a busy cluster
 * watches are never silent and nobody asks; in a quiet one of N nodes there are N / 4 questions a
 * second.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #stop = () => {};
  #isStopped = false;
  #question: { readonly askedAt: number; readonly deadline: AbortController } | undefined;
  #askedAt = 0;
  #patience: number;
  #heardAt = 0;
  /** A question had no answer, and nothing else has come since. */
  #isLost = false;
  /** Of what is lost, when connections are given up next. */
  #cutAt = 0;
  /** Of what is back, when that is told. */
  #backAt = Number.POSITIVE_INFINITY;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#patience = this.#draw(quiet);
  }

  start(): void {
    const { clock } = this.#options;
    this.#heardAt = clock.now();
    this.#stop = clock.every(() => this.#beat(clock.now()), tick);
  }

  stop(): void {
    this.#isStopped = true;
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
    this.#backAt = now + this.#draw(recovery);
  }

  #beat(now: number): void {
    if (this.#question === undefined) {
      const since = Math.max(this.#heardAt, this.#askedAt);
      if (now - since >= this.#patience) void this.#ask(now);
    } else if (now - this.#question.askedAt >= answerTime) this.#question.deadline.abort();
    if (this.#isLost && now >= this.#cutAt) this.#giveUp(now);
    if (!this.#isLost && now >= this.#backAt) this.#comeBack();
  }

  async #ask(askedAt: number): Promise<void> {
    const deadline = new AbortController();
    this.#question = { askedAt, deadline };
    this.#askedAt = askedAt;
    this.#patience = this.#draw(quiet);
    try {
      await this.#options.ask(deadline.signal);
    } catch {
      if (!this.#isStopped && this.#heardAt < askedAt) this.#lose();
    } finally {
      this.#question = undefined;
    }
  }

  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#cutAt = this.#heardAt + this.#draw(cut);
    this.#options.lost();
  }

  #giveUp(now: number): void {
    this.#cutAt = now + this.#draw(cut);
    this.#options.silent(now - this.#heardAt);
  }

  #comeBack(): void {
    this.#backAt = Number.POSITIVE_INFINITY;
    this.#options.back();
  }

  #draw({ least, most }: Span): number {
    return least + (most - least) * this.#options.random();
  }
}
