import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noWrites } from "../../agent/reconcile/writes.ts";
import { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import { type Load, startLoad } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";
import { Churn, startServers } from "./churn.ts";

const protocols = ["tcp", "udp"] as const;

describe("an agent that is killed", () => {
  let cluster: Cluster;
  let agent: TestAgent;
  let node: TestNode;
  let steady: Churn;
  let churned: Churn;
  let loads: Load[];

  beforeAll(async () => {
    cluster = await Cluster.start();
    node = await cluster.addNode("a");
    const servers = await startServers(node, 12);
    steady = new Churn(cluster.api, "steady", servers);
    churned = new Churn(cluster.api, "churned", servers);
    const addresses = [await steady.begin(), await churned.begin()];
    agent = await TestAgent.start({ node, source: { controlPlane: cluster.controlPlane } });
    for (const name of ["steady", "churned"]) await agent.hasEndpoints(name, 2);
    const client = await node.makePod("client");
    loads = [];
    for (const address of addresses) {
      for (const protocol of protocols) {
        const to = { protocol, address, port: 80 };
        loads.push(await startLoad(client, to, { gapUs: 500 }));
      }
    }
  });
  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  /** Kills the agent, goes on while connections are made without it, and starts it again. */
  async function restart(meanwhile: () => Promise<unknown> = async () => {}): Promise<void> {
    await agent.kill();
    const made = loads.map(({ attempts }) => attempts.length);
    await meanwhile();
    await until(() => loads.every(({ attempts }, at) => attempts.length > made[at]! + 100), {
      deadlineMs: 20_000,
      describe: "a hundred connects of each load without the agent",
    });
    const startedAt = performance.now();
    await agent.begin();
    const { writes } = (await agent.status()).sync;
    const ms = (performance.now() - startedAt).toFixed(0);
    console.log(`B4: ready ${ms} ms after the start; wrote ${JSON.stringify(writes)}`);
  }

  const writes = async () => (await agent.status()).sync.writes;
  const identity = async () =>
    (await agent.services())
      .filter(({ name }) => name === "steady")
      .map(({ portName, index, cluster: backends }) => [
        portName,
        index,
        backends.map((each) => [each.address, each.index, each.generation]),
      ]);
  const failures = () =>
    loads.flatMap(({ attempts }) => attempts.filter((each) => !each.ok)).slice(0, 5);

  it("rewrites nothing when it comes back and nothing has changed (PF-02, PF-04)", async () => {
    const before = await identity();
    await restart();
    expect(await writes()).toEqual(noWrites);
    expect(await identity()).toEqual(before);
    expect(failures()).toEqual([]);
  });

  it("rewrites only the Service whose endpoints changed meanwhile (PF-02)", async () => {
    const before = await identity();
    await restart(async () => {
      for (let turn = 0; turn < 3; turn++) await churned.turn();
    });
    // Of two service ports: the slice, its two slots, two backends that are new and two that go.
    expect(await writes()).toEqual({ ...noWrites, services: 2, slots: 4, backends: 8 });
    expect(await identity()).toEqual(before);
    expect(failures()).toEqual([]);
  });

  it("fails no connect when that happens in the midst of changes (PF-01, PF-02, PF-04)", async () => {
    const before = await identity();
    let done = false;
    const churning = churned.run(100, 60_000, () => !done);
    const turns = async (count: number) => {
      const goal = churned.replacements.length + count;
      await until(() => churned.replacements.length >= goal, {
        deadlineMs: 30_000,
        describe: `${count} replacements`,
      });
    };
    for (let crash = 0; crash < 5; crash++) {
      await turns(17);
      await restart(() => turns(10));
    }
    done = true;
    await churning;
    const last = churned.replacements.at(-1)!.servers.map(({ address }) => address);
    await until(async () => (await published("churned")).every((each) => each === last.join()), {
      deadlineMs: 20_000,
      describe: "the last replacement to be published",
    });
    expect(await identity()).toEqual(before);
    const summaries = await Promise.all(loads.map((load) => load.stop()));
    const connects = summaries.reduce((sum, { attempts }) => sum + attempts, 0);
    const failed = summaries.reduce((sum, each) => sum + each.failed, 0);
    console.log(`B4: ${connects} connects over 7 kills, ${failed} failed`);
    expect(failures()).toEqual([]);
    expect(failed).toBe(0);
    expect(connects).toBeGreaterThan(5_000);
  });

  const published = async (service: string) =>
    (await agent.services())
      .filter(({ name }) => name === service)
      .map(({ cluster: backends }) => backends.map(({ address }) => address).join());
});
