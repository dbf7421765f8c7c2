import { Reason } from "../../bpf/build/layout.ts";
import type { Configuration } from "./model/configuration.ts";
import { Model } from "./model/model.ts";
import { DROP, type Observed, type Outcome, REDIRECT, STACK } from "./model/outcome.ts";
import { differences, printPacket } from "./packet/print.ts";
import type { Hook, Rig, RunOptions } from "./rig/rig.ts";
import type { WorldDevice } from "./world.ts";

const verdictNames = new Map([
  [STACK, "to the stack"],
  [DROP, "dropped"],
  [REDIRECT, "redirected"],
]);

const reasonNames = new Map<number, string>(
  Object.entries(Reason).map(([name, number]) => [number, name]),
);

/** The rig and the model side by side: whatever the program does, the model must have allowed. */
export class Trial {
  readonly rig: Rig;
  readonly model: Model;
  #counts: ReadonlyMap<string, number>;

  constructor(rig: Rig, configuration: Configuration) {
    this.rig = rig;
    rig.configure(configuration);
    rig.forget();
    this.model = new Model(configuration);
    this.#counts = rig.counts();
  }

  configure(configuration: Configuration): void {
    this.rig.configure(configuration);
    this.model.configure(configuration);
  }

  /** Forgets every flow, fragment and affinity. */
  forget(): void {
    this.rig.forget();
    this.model.forget();
  }

  /**
   * Inside the rig's namespace only.
   * @throws {Disagreement}
   */
  run(hook: Hook, device: WorldDevice, frame: Uint8Array, options: RunOptions = {}) {
    const observed = this.rig.run(hook, device.index, frame, options);
    const { gsoSize = 0 } = options;
    const judgement = this.model.judge({ hook, device, frame, gsoSize, observed });
    if (!judgement.ok) throw new Disagreement(hook, frame, observed, judgement.allowed);
    return { observed, outcome: judgement.outcome };
  }

  /** The names of the reasons counted since the last call, each with the device's index. */
  reasons(): readonly string[] {
    const before = this.#counts;
    this.#counts = this.rig.counts();
    return [...this.#counts].flatMap(([key, count]) => {
      const [device, reason] = key.split(":");
      const name = `${reasonNames.get(Number(reason))} on ${device}`;
      return Array<string>(count - (before.get(key) ?? 0)).fill(name);
    });
  }
}

export const reasonName = (reason: number): string => reasonNames.get(reason) ?? String(reason);

export class Disagreement extends Error {
  readonly frame: Uint8Array;

  constructor(hook: Hook, frame: Uint8Array, observed: Observed, allowed: readonly Outcome[]) {
    const { verdict, packet } = observed;
    super(
      [
        `sluice_${hook}: ${printPacket(frame)}`,
        `  was ${verdictNames.get(verdict) ?? `given verdict ${verdict}`}: ${printPacket(packet)}`,
        ...allowed.map((each) => `  allowed: ${explain(each, observed)}`),
        `  hex ${Buffer.from(frame).toString("hex")}`,
      ].join("\n"),
    );
    this.name = "Disagreement";
    this.frame = frame;
  }
}

function explain({ name, verdict, packet }: Outcome, observed: Observed): string {
  const reason = verdictNames.get(verdict);
  if (packet === undefined) return `${name}, ${reason}`;
  if (typeof packet === "function") return `${name}, ${reason}: ${packet(observed.packet)}`;
  const differing = differences(packet, observed.packet);
  const near = differing.length < 12 ? differing.join("; ") : printPacket(packet);
  return `${name}, ${reason}: ${near}`;
}
