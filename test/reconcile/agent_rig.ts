import type { ServiceMaps } from "../../agent/datapath/maps.ts";
import type { Twin } from "../../agent/datapath/twin.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import { defaultLoopSettings, Loop, type LoopReport } from "../../agent/reconcile/loop.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { ManualScheduler } from "./manual_scheduler.ts";

/** A prime that is small, so that slots are few and a table can be read. */
export const maglevTableSize = 13;

/** The reconciling half of an agent over the twin, run by hand. */
export class AgentRig {
  readonly twin: Twin;
  readonly reconciler: Reconciler;
  readonly loop: Loop;
  readonly scheduler: ManualScheduler;
  readonly reports: LoopReport[] = [];

  private constructor(twin: Twin, reconciler: Reconciler) {
    this.twin = twin;
    this.reconciler = reconciler;
    this.scheduler = new ManualScheduler();
    this.loop = new Loop(reconciler, this.scheduler, { ...defaultLoopSettings, nodeName: "here" });
    this.loop.subscribe((report) => this.reports.push(report));
  }

  /** Starts on what the twin holds; writes go through `maps`, which may watch or fail them. */
  static async start(twin: Twin, maps: ServiceMaps = twin): Promise<AgentRig> {
    const adopting = Reconciler.adopt(maps, { maglevTableSize });
    twin.elapse();
    return new AgentRig(twin, await adopting);
  }

  handle(events: readonly SourceEvent[]): void {
    this.loop.handle(events);
  }

  /** Runs until nothing is left to do, or until a retry of what cannot succeed changed nothing. */
  async settle(): Promise<void> {
    for (let round = 0; round < 1000; round++) {
      while (this.scheduler.turn() > 0);
      const elapsed = this.twin.elapse();
      await macrotask();
      if (elapsed > 0) continue;
      const [delay] = this.scheduler.delays;
      if (delay === undefined) return;
      this.scheduler.advance(delay);
      if (this.reports.at(-1)?.published === 0 && this.#isStuck) return;
    }
    throw new Error(`still failing: ${JSON.stringify(this.reconciler.failures)}`);
  }

  get #isStuck(): boolean {
    const { failures, waiting } = this.reconciler;
    return waiting === 0 && failures.length > 0 && failures.every(({ code }) => code !== "write");
  }
}

/** Lets every promise that can go on do so. */
const macrotask = () => new Promise<void>((resolve) => setImmediate(resolve));
