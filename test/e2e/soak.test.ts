import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DesiredService } from "../../agent/compile/records.ts";
import { attempt } from "../harness/load.ts";
import { type Fault, faults } from "./soak_faults.ts";
import { rememberedSockets } from "./soak_oracle.ts";
import { Chance } from "./soak_random.ts";
import { Soak, SoakNode } from "./soak_stage.ts";

/** For a longer soak; SLUICE_SOAK_COMMAND names the agent to run. */
const rounds = Number(process.env.SLUICE_SOAK_ROUNDS ?? 9);
const services = Number(process.env.SLUICE_SOAK_SERVICES ?? 100);
/** Each is a world of its own, and always the same one. */
const seeds = (process.env.SLUICE_SOAK_SEEDS ?? "1").split(",").map(Number);

const CHANGES_A_ROUND = 300;
const SAMPLE = 4;
const ATTEMPTS = 12;
const ROUND_MS = 10_000;

let stage: SoakNode;
beforeAll(async () => {
  stage = await SoakNode.create();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

describe("under random change, with watches broken and the agent killed", () => {
  it.each(seeds)(
    "the maps end up as a compilation of everything says, seed %i (PF-01, PF-02, PF-03)",
    async (seed) => {
      await using soak = await Soak.start(stage, new Chance(seed), services);
      for (let round = 0; round < rounds; round++) {
        const fault = faults[round % faults.length] as Fault;
        await soak.change(CHANGES_A_ROUND, () => fault.happen(soak));
        await connects(await soak.settled(`round ${round}, ${fault.name}`), soak.chance);
      }
      await soak.empty();
      expect(rememberedSockets(soak.agent.pinPath)).toBe(0);
    },
    60_000 + rounds * ROUND_MS,
  );
});

/** A client's connections end at the endpoints that count, or are refused where there are none. */
async function connects(desired: readonly DesiredService[], chance: Chance): Promise<void> {
  const answered = desired.filter(({ backends }) =>
    backends.every(({ address }) => stage.nameOf(address) !== undefined),
  );
  for (const service of chance.some(answered, SAMPLE)) {
    const { id, frontends, backends, internalLocal } = service;
    const { address, port } = frontends[0]!;
    const chosen = backends.filter((each) => (internalLocal ? each.inLocal : each.inCluster));
    const wanted = chosen.length > 0 ? chosen.map((each) => stage.nameOf(each.address)) : refusal;
    const protocol = id.protocol === "UDP" ? "udp" : "tcp";
    const made = await attempt(stage.client, { protocol, address, port }, { count: ATTEMPTS });
    const outcomes = made.map((each) => (each.ok ? each.backend : each.errno));
    expect(wanted, `${id.name} ${address}`).toEqual(expect.arrayContaining(outcomes));
  }
}

const refusal = ["ECONNREFUSED"];
