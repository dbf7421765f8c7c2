import { type AuditedMap, auditedMaps, type Discrepancy } from "./discrepancy.ts";
import type { Loop, Suspects } from "./loop.ts";
import type { Scheduler } from "./scheduler.ts";

export interface AuditorOptions {
  readonly loop: Pick<Loop, "audit" | "hold" | "isQuiet" | "mend" | "status">;
  /** What else is audited: each mends what it finds, and says what that was. */
  readonly others: readonly (() => readonly Discrepancy[])[];
  readonly scheduler: Scheduler;
  readonly periodMilliseconds: number;
  /** Told of the differences that were found and mended together. */
  readonly onRepairs: (found: readonly Discrepancy[]) => void;
  /** Told why an audit could not be brought to its end. */
  readonly onFailure: (error: unknown) => void;
}

/** Since the start. */
export interface AuditCounts {
  readonly audits: number;
  /** Milliseconds since 1970. */
  readonly lastAt: number | undefined;
  readonly repairs: Readonly<Record<AuditedMap, number>>;
}

/** Longest time for which an audit keeps everything else waiting. */
const SLICE_MS = 1;
/** While changes are held up, it is looked so often whether what was retired was given back. */
const QUIET_MS = 5;
/** So many looks: the two grace periods that may be due take a second each where no kernel tells. */
const PATIENCE = 500;
/** What was mended is audited once more, so that what was damaged with it is given back. */
const ROUNDS = 3;

/**
 * Compares now and again what the kernel holds with what was written, and mends what differs (KP-54).
 * kube-proxy writes everything anew each hour; here nothing is written where nothing differs.
 */
export class Auditor {
  readonly #options: AuditorOptions;
  readonly #repairs = Object.fromEntries(auditedMaps.map((map) => [map, 0])) as Record<
    AuditedMap,
    number
  >;
  #audits = 0;
  #lastAt: number | undefined;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: AuditorOptions) {
    this.#options = options;
  }

  get counts(): AuditCounts {
    return { audits: this.#audits, lastAt: this.#lastAt, repairs: this.#repairs };
  }

  /** The first audit comes after one period. */
  start(): void {
    this.#after(this.#options.periodMilliseconds, () => this.#begin(ROUNDS));
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #begin(rounds: number): void {
    const { loop } = this.#options;
    if (loop.status().ready) this.#step(loop.audit(), rounds);
    else this.start();
  }

  #step(audit: Generator<void, Suspects | undefined>, rounds: number): void {
    const { scheduler } = this.#options;
    const end = scheduler.now() + SLICE_MS;
    let next = audit.next();
    while (!next.done && scheduler.now() < end) next = audit.next();
    if (!next.done) this.#soon(() => this.#step(audit, rounds));
    else if (next.value === undefined) this.#end([], 0);
    else this.#mend(next.value, rounds, PATIENCE);
  }

  #mend(suspects: Suspects, rounds: number, patience: number): void {
    const { loop } = this.#options;
    loop.hold(true);
    if (!loop.isQuiet) {
      if (patience === 0) throw new Error("what was found stays: no grace period comes to its end");
      this.#after(QUIET_MS, () => this.#mend(suspects, rounds, patience - 1));
      return;
    }
    const mended = loop.mend(suspects);
    loop.hold(false);
    this.#end(mended, rounds - 1);
  }

  #end(mended: readonly Discrepancy[], rounds: number): void {
    const { others, scheduler, onRepairs } = this.#options;
    const all = [...mended, ...others.flatMap((audit) => audit())];
    for (const { map } of all) this.#repairs[map]++;
    if (all.length > 0) onRepairs(all);
    this.#audits++;
    this.#lastAt = scheduler.now();
    if (mended.length > 0 && rounds > 0) this.#soon(() => this.#begin(rounds));
    else this.start();
  }

  #soon(callback: () => void): void {
    this.#options.scheduler.soon(() => this.#run(callback));
  }

  #after(milliseconds: number, callback: () => void): void {
    this.#cancel = this.#options.scheduler.after(milliseconds, () => this.#run(callback));
  }

  /** A map that cannot be read must not end the agent. */
  #run(callback: () => void): void {
    if (this.#stopped) return;
    try {
      callback();
    } catch (error) {
      this.#options.loop.hold(false);
      this.#options.onFailure(error);
      this.start();
    }
  }
}
