import type { ServiceMaps } from "../../agent/datapath/maps.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import { defaultLoopSettings, Loop } from "../../agent/reconcile/loop.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { systemScheduler } from "../../agent/reconcile/scheduler.ts";

/** The agent's loop, run in steps: what an event causes is done when the call returns. */
export class ScaleLoop {
  readonly #loop: Loop;
  readonly #reconciler: Reconciler;
  readonly #due: (() => void)[];

  private constructor(reconciler: Reconciler) {
    const due: (() => void)[] = [];
    const soon = (callback: () => void) => due.push(callback);
    const settings = { ...defaultLoopSettings, nodeName: "worker-0" };
    this.#loop = new Loop(reconciler, { ...systemScheduler, soon }, settings);
    this.#reconciler = reconciler;
    this.#due = due;
  }

  static async on(maps: ServiceMaps): Promise<ScaleLoop> {
    return new ScaleLoop(await Reconciler.adopt(maps));
  }

  /** Publishes everything that the events change. Milliseconds of the compiling and writing. */
  publish(events: readonly SourceEvent[]): number {
    const startedAt = performance.now();
    this.#loop.handle(events);
    for (let run = this.#due.shift(); run !== undefined; run = this.#due.shift()) run();
    const milliseconds = performance.now() - startedAt;
    const { ready, failures } = this.#loop.status();
    if (!ready) throw new Error("the loop is not through");
    if (failures[0] !== undefined) throw new Error(failures[0].message);
    return milliseconds;
  }

  get writes() {
    return this.#reconciler.writes;
  }

  /** What was retired is free again. */
  async reclaimed(): Promise<void> {
    await this.#reconciler.reclaimed();
  }
}
