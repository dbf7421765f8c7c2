import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { DesiredService } from "../../agent/compile/records.ts";
import { attempt } from "../harness/load.ts";
import { Network } from "../harness/network.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { FakeApiServer } from "../sources/apiserver.ts";
import { SoakAgent } from "./soak_agent.ts";
import { type Fault, faults } from "./soak_faults.ts";
import { desiredOf, difference, linesOfDesired, linesOfPinned } from "./soak_oracle.ts";
import { Chance } from "./soak_random.ts";
import { SoakWorld } from "./soak_world.ts";

/**
 * A longer soak: SLUICE_SOAK_ROUNDS, SLUICE_SOAK_SERVICES, SLUICE_SOAK_SEED; SLUICE_SOAK_COMMAND is
 * the agent to run, for example "node agent/bin/sluice.js".
 */
const rounds = Number(process.env.SLUICE_SOAK_ROUNDS ?? 12);
const services = Number(process.env.SLUICE_SOAK_SERVICES ?? 100);
const firstSeed = Number(process.env.SLUICE_SOAK_SEED ?? 1);
const command = process.env.SLUICE_SOAK_COMMAND?.split(" ");

const CHANGES_A_ROUND = 300;
/** Changes that the server tells before others of this process have their turn. */
const BURST = 25;
const SAMPLE = 4;
const ATTEMPTS = 12;
const minutes = (rounds * 10_000) / 60_000 + 1;

let network: Network;
let node: TestNode;
let client: TestPod;
let pods: readonly TestPod[];
let server: FakeApiServer;
let agent: SoakAgent;

beforeAll(async () => {
  network = await Network.create();
  node = await network.makeNode("a");
  client = await node.makePod("client");
  pods = await Promise.all(["p0", "p1", "p2", "p3"].map((name) => node.makePod(name)));
  for (const pod of pods) await pod.serve({ tcp: [8080], udp: [8080] });
});
afterAll(() => network?.[Symbol.asyncDispose]());
afterEach(async () => {
  await agent?.[Symbol.asyncDispose]();
  await server?.close();
});

async function begin(seed: number): Promise<{ chance: Chance; world: SoakWorld }> {
  server = new FakeApiServer();
  // A page more would be read after the objects before it have moved.
  server.pageSize = 1_000_000;
  await server.listen();
  const { name: nodeName, cgroup } = node;
  agent = await SoakAgent.prepare({ nodeName, cgroup, server: server.url, command });
  const chance = new Chance(seed);
  const world = new SoakWorld(chance, { services, nodeName, pods }, server);
  agent.launch();
  await agent.ready();
  return { chance, world };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Some hundred changes, and the fault in the midst of them. */
async function disturb(world: SoakWorld, chance: Chance, fault: Fault): Promise<void> {
  const at = chance.below(CHANGES_A_ROUND);
  for (let i = 0; i < CHANGES_A_ROUND; i++) {
    if (i === at) await fault.happen({ server, agent, world, chance });
    world.change();
    if (i % BURST === 0) await turn();
  }
}

/** Resolves once the maps hold exactly what a compilation of everything gives. */
async function holdsAll(world: SoakWorld, what: string): Promise<readonly DesiredService[]> {
  const desired = desiredOf(world, node.name);
  const lines = linesOfDesired(desired);
  let held: readonly string[] = [];
  await until(
    () => {
      if (agent.failure !== undefined) return true;
      held = linesOfPinned(agent.pinPath);
      return held.join("\n") === lines.join("\n");
    },
    {
      deadlineMs: 30_000,
      describe: () => `the maps to be right after ${what}:\n${difference(lines, held)}`,
    },
  );
  expect(agent.failure).toBeUndefined();
  return desired;
}

const names = (backends: DesiredService["backends"]) =>
  new Set(
    backends.map(
      ({ address }) => pods.find(({ ip4, ip6 }) => address === ip4 || address === ip6)?.name ?? "?",
    ),
  );

/** A client's connections end at the endpoints that count, or are refused where there are none. */
async function connects(desired: readonly DesiredService[], chance: Chance): Promise<void> {
  const reachable = desired.flatMap((service) => {
    const { id, backends, frontends, internalLocal } = service;
    const chosen = backends.filter((each) => (internalLocal ? each.inLocal : each.inCluster));
    const expected = names(chosen);
    const [frontend] = frontends;
    return expected.has("?") || frontend === undefined ? [] : [{ id, frontend, expected }];
  });
  for (const { id, frontend, expected } of chance.some(reachable, SAMPLE)) {
    const protocol = id.protocol === "UDP" ? "udp" : "tcp";
    const target = { protocol, address: frontend.address, port: frontend.port } as const;
    const made = await attempt(client, target, { count: ATTEMPTS });
    const outcomes = new Set(made.map((each) => (each.ok ? each.backend : each.errno)));
    const wanted = expected.size === 0 ? ["ECONNREFUSED"] : [...expected];
    expect(wanted, `${id.name} ${frontend.address}`).toEqual(expect.arrayContaining([...outcomes]));
  }
}

describe("under random change, with watches broken and the agent killed", () => {
  it.each([firstSeed, firstSeed + 1])(
    "the maps end up as a compilation of everything says, seed %i (PF-01, PF-02, PF-03)",
    async (seed) => {
      const { chance, world } = await begin(seed);
      for (let round = 0; round < rounds; round++) {
        const fault = faults[round % faults.length] ?? chance.pick(faults);
        await disturb(world, chance, fault);
        const desired = await holdsAll(world, `round ${round}, ${fault.name}, seed ${seed}`);
        await connects(desired, chance);
      }
      world.clear();
      await holdsAll(world, "everything went");
      const { datapath } = await agent.status();
      await until(async () => (await usage()).every((used) => used === 0), {
        deadlineMs: 10_000,
        describe: `every place to be free: ${JSON.stringify(datapath.maps)}`,
      });
    },
    minutes * 60_000,
  );
});

const usage = async () => (await agent.status()).datapath.maps.map(({ entries }) => entries);
