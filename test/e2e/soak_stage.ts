import type { DesiredService } from "../../agent/compile/records.ts";
import { Network } from "../harness/network.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { FakeApiServer } from "../sources/apiserver.ts";
import { SoakAgent } from "./soak_agent.ts";
import { desiredOf, difference, linesOfDesired, linesOfPinned } from "./soak_oracle.ts";
import type { Chance } from "./soak_random.ts";
import { SoakWorld } from "./soak_world.ts";

/** The agent to run in place of the sources, for example "node agent/bin/sluice.js". */
const command = process.env.SLUICE_SOAK_COMMAND?.split(" ");

/** Changes that the server tells before others of this process have their turn. */
const BURST = 25;
const podNames = ["p0", "p1", "p2", "p3"];

/** A node with a client and four pods that answer at port 8080. */
export class SoakNode implements AsyncDisposable {
  readonly node: TestNode;
  readonly client: TestPod;
  readonly pods: readonly TestPod[];
  readonly #network: Network;

  private constructor(network: Network, node: TestNode, client: TestPod, pods: readonly TestPod[]) {
    this.#network = network;
    this.node = node;
    this.client = client;
    this.pods = pods;
  }

  static async create(): Promise<SoakNode> {
    const network = await Network.create();
    const node = await network.makeNode("a");
    const client = await node.makePod("client");
    const pods = await Promise.all(podNames.map((name) => node.makePod(name)));
    for (const pod of pods) await pod.serve({ tcp: [8080], udp: [8080] });
    return new SoakNode(network, node, client, pods);
  }

  /** The pod of that address. */
  nameOf(address: string): string | undefined {
    return this.pods.find(({ ip4, ip6 }) => address === ip4 || address === ip6)?.name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network[Symbol.asyncDispose]();
  }
}

/** An API server, an agent that follows it, and a world that changes by chance. */
export class Soak implements AsyncDisposable {
  readonly server: FakeApiServer;
  readonly agent: SoakAgent;
  readonly world: SoakWorld;
  readonly chance: Chance;
  readonly #nodeName: string;

  private constructor(
    server: FakeApiServer,
    agent: SoakAgent,
    world: SoakWorld,
    chance: Chance,
    nodeName: string,
  ) {
    this.server = server;
    this.agent = agent;
    this.world = world;
    this.chance = chance;
    this.#nodeName = nodeName;
  }

  static async start(
    { node, pods }: SoakNode,
    chance: Chance,
    services: number,
    flags: readonly string[] = [],
  ): Promise<Soak> {
    const server = new FakeApiServer();
    // A page more would be read after the objects before it have moved.
    server.pageSize = 1_000_000;
    await server.listen();
    const { name: nodeName, cgroup } = node;
    const options = { nodeName, cgroup, server: server.url, command, flags };
    const agent = await SoakAgent.prepare(options);
    const world = new SoakWorld(chance, { services, nodeName, pods }, server);
    agent.launch();
    await agent.ready();
    return new Soak(server, agent, world, chance, nodeName);
  }

  /** So many changes; `at` is called in the midst of them. */
  async change(count: number, at: () => void | Promise<void> = () => {}): Promise<void> {
    const moment = this.chance.below(count);
    for (let i = 0; i < count; i++) {
      if (i === moment) await at();
      this.world.change();
      if (i % BURST === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves once the maps hold exactly what a compilation of everything gives. */
  async settled(after: string): Promise<readonly DesiredService[]> {
    const desired = desiredOf(this.world, this.#nodeName);
    const lines = linesOfDesired(desired);
    let held: readonly string[] = [];
    await until(
      () => {
        if (this.agent.failure !== undefined) return true;
        held = linesOfPinned(this.agent.pinPath);
        return held.join("\n") === lines.join("\n");
      },
      {
        deadlineMs: 30_000,
        describe: () => `the maps to be right after ${after}:\n${difference(lines, held)}`,
      },
    );
    if (this.agent.failure !== undefined) throw new Error(this.agent.failure);
    return desired;
  }

  /** Resolves once nothing takes up a place in any map. */
  async empty(): Promise<void> {
    this.world.clear();
    await this.settled("everything went");
    const used = async () => (await this.agent.status()).datapath.maps;
    let last = await used();
    await until(
      async () => {
        last = await used();
        return last.every(({ entries }) => entries === 0);
      },
      { deadlineMs: 10_000, describe: () => `every place to be free: ${JSON.stringify(last)}` },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
    await this.server.close();
  }
}
