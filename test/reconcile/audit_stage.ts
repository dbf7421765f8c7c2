import { Twin } from "../../agent/datapath/twin.ts";
import type { FaultPlan } from "../../agent/datapath/twin_maps.ts";
import type { Service } from "../../agent/model/service.ts";
import { Auditor } from "../../agent/reconcile/auditor.ts";
import { AgentRig } from "./agent_rig.ts";
import { allSynced, service, slice, synced } from "./events.ts";
import { observedMaps } from "./observed.ts";

const PERIOD = 600_000;
/** Longer than any backoff, and shorter than what is left until the next audit. */
const LONG = 60_000;

const database: Partial<Service> = {
  type: "LoadBalancer",
  ports: [{ name: "", protocol: "TCP", port: 80, nodePort: 30_080 }],
  loadBalancerIPs: ["203.0.113.7"],
  loadBalancerSourceRanges: ["192.0.2.0/25", "198.51.100.0/24"],
};

/** Three Services; the second is there to be damaged. */
const world = [
  service("api", "10.96.0.1"),
  slice("api", ["10.1.0.1", "10.1.0.2"]),
  service("database", "10.96.0.2", database),
  slice("database", ["10.1.0.3", "10.1.0.4", "10.1.0.5"]),
  service("web", "10.96.0.3"),
  slice("web", ["10.1.0.6", "10.1.0.7"]),
  { kind: "service-cidr", serviceCidr: { name: "kubernetes", cidrs: ["10.96.0.0/16"] } } as const,
  ...allSynced,
  synced("servicecidrs"),
];

const healthy = { "10.96.0.1": ["10.1.0.1", "10.1.0.2"], "10.96.0.3": ["10.1.0.6", "10.1.0.7"] };

/** An agent that audits its maps, over the twin, run by hand. */
export class AuditStage {
  /** What the audits told of, as "map: target: message". */
  readonly found: string[] = [];
  readonly rig: AgentRig;
  readonly auditor: Auditor;

  private constructor(rig: AgentRig) {
    this.rig = rig;
    this.auditor = new Auditor({
      loop: rig.loop,
      others: [],
      scheduler: rig.scheduler,
      periodMilliseconds: PERIOD,
      onRepairs: (found) => {
        for (const { map, target, message } of found) {
          this.found.push(`${map}: ${target}: ${message}`);
        }
      },
      onFailure: (error) => this.found.push(String(error)),
    });
  }

  static async start(faults: FaultPlan = () => undefined): Promise<AuditStage> {
    const twin = new Twin({ services: 8, backends: 32, slots: 64, frontends: 32 }, faults);
    let look = () => {};
    const rig = await AgentRig.start(
      twin,
      observedMaps(twin, () => look()),
    );
    rig.handle(world);
    await rig.settle();
    const stage = new AuditStage(rig);
    look = () => stage.#look();
    stage.auditor.start();
    return stage;
  }

  get twin(): Twin {
    return this.rig.twin;
  }

  #watches = false;

  /** From now on the other Services have to answer as ever before each write. */
  watchOthers(): void {
    this.#watches = true;
    this.#look();
  }

  /** Lets one audit happen, and all that it causes. */
  async audit(): Promise<void> {
    const [delay = 0] = this.rig.scheduler.delays;
    this.rig.scheduler.advance(delay);
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 1000; round++) {
      while (this.rig.scheduler.turn() > 0);
      const elapsed = this.twin.elapse();
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (elapsed > 0) continue;
      const [delay = LONG] = this.rig.scheduler.delays;
      if (delay >= LONG) return;
      this.rig.scheduler.advance(delay);
    }
    throw new Error("still at work");
  }

  /** The backends that an address leads to, over that many picks; what is none is said. */
  answersOf(address: string, picks: number): readonly string[] {
    const answers = Array.from({ length: picks }, (_, pick) => {
      const got = this.twin.lookup(address, 80, "TCP", (count) => (pick < count ? pick : 0));
      if (got.kind !== "backend") return got.kind;
      return got.retired ? `${got.address}, which is dead` : got.address;
    });
    return answers.sort();
  }

  #look(): void {
    if (!this.#watches) return;
    for (const [address, backends] of Object.entries(healthy)) {
      const answers = this.answersOf(address, backends.length);
      if (answers.join() !== backends.join()) throw new Error(`${address}: ${answers}`);
    }
  }
}
