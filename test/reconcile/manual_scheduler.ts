import type { Scheduler } from "../../agent/reconcile/scheduler.ts";

/** Time that stands still until it is told to go on. */
export class ManualScheduler implements Scheduler {
  #now = 1_000_000;
  #soon: (() => void)[] = [];
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  after(delayMilliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + delayMilliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  now(): number {
    return this.#now;
  }

  /** The delays that are left, the shortest first. */
  get delays(): readonly number[] {
    return Array.from(this.#timers, ({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  /** Lets one round of what was planned for soon happen, and says how much that was. */
  turn(): number {
    const callbacks = this.#soon;
    this.#soon = [];
    for (const callback of callbacks) callback();
    return callbacks.length;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of this.#timers) {
      if (timer.at > this.#now) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }
}
