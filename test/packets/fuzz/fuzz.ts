import { everyKit } from "../cases/kit.ts";
import { DROP, REDIRECT, STACK } from "../model/outcome.ts";
import { hooks, isAccepted, type Rig } from "../rig/rig.ts";
import { Disagreement, Trial } from "../trial.ts";
import { devices } from "../world.ts";
import { Conversation, type Sending } from "./conversation.ts";
import { minimise } from "./minimise.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { fuzzConfigurations } from "./world.ts";

export interface FuzzOptions {
  readonly packets: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly packets: number;
  readonly mutated: number;
  /** Packets by what became of them. */
  readonly outcomes: ReadonlyMap<string, number>;
}

const packetsPerConversation = 24;

/**
 * Sends packets of sound and unsound hosts through the programs.
 * @throws {FuzzFailure} where the model does not allow what became of one.
 */
export function fuzz(rig: Rig, { packets, seed }: FuzzOptions): FuzzReport {
  const trial = new Trial(rig, fuzzConfigurations[0]);
  const outcomes = new Map<string, number>();
  const random = new Random(seed);
  let mutated = 0;
  rig.inside(() => {
    for (let sent = 0; sent < packets; ) {
      trial.forget();
      const conversation = new Conversation(random, random.pick(everyKit));
      const history: Sending[] = [];
      const changeAt = random.once(16) ? random.below(packetsPerConversation) : undefined;
      for (let i = 0; i < packetsPerConversation && sent < packets; i++, sent++) {
        if (i === changeAt) trial.configure(fuzzConfigurations[1]);
        const base = conversation.next();
        const sending = random.once(2) ? spoil(random, base) : base;
        if (sending !== base) mutated++;
        history.push(sending);
        const { observed, outcome } = send(trial, history, { seed, number: sent, base });
        outcomes.set(outcome.name, (outcomes.get(outcome.name) ?? 0) + 1);
        conversation.note(sending, observed);
        if (outcome.uncertain) break;
      }
      if (changeAt !== undefined) trial.configure(fuzzConfigurations[0]);
    }
  });
  return { packets, mutated, outcomes };
}

/** Another packet, and now and then another program or device. */
function spoil(random: Random, sending: Sending): Sending {
  const frame = mutate(random, sending.frame);
  return {
    ...sending,
    frame: isAccepted(frame) ? frame : sending.frame,
    hook: random.once(12) ? random.pick(hooks) : sending.hook,
    device: random.once(16) ? random.pick(devices) : sending.device,
  };
}

interface Whence {
  readonly seed: number;
  readonly number: number;
  readonly base: Sending;
}

function send(trial: Trial, history: readonly Sending[], { seed, number, base }: Whence) {
  const { hook, device, frame, gsoSize } = history.at(-1)!;
  try {
    const result = trial.run(hook, device, frame, { gsoSize });
    if (![STACK, DROP, REDIRECT].includes(result.observed.verdict)) throw new Error("no verdict");
    return result;
  } catch (error) {
    if (!(error instanceof Disagreement)) throw error;
    const least = minimise(trial, history, base);
    throw new FuzzFailure(seed, number, least, error);
  }
}

export class FuzzFailure extends Error {
  constructor(seed: number, number: number, least: readonly string[], cause: Disagreement) {
    const lines = [
      `packet ${number} of seed ${seed}`,
      cause.message,
      "smallest case found:",
      ...least,
    ];
    super(lines.join("\n"), { cause });
    this.name = "FuzzFailure";
  }
}
