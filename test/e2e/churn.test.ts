import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import { type Attempt, type Load, type Success, startLoad } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";
import { Churn, type Server, startServers } from "./churn.ts";
import { spread } from "./figures.ts";
import { PublishedSlices } from "./published_slices.ts";
import { Timeline } from "./timeline.ts";

const perSecond = 100;
const durationMs = 30_000;
/** Pairs of them take turns: a backend comes back only when the others had theirs. */
const serverCount = 24;
const protocols = ["tcp", "udp"] as const;

const longest = (nanoseconds: readonly number[]): number =>
  nanoseconds.reduce((most, each) => Math.max(most, each), 0);

const succeeded = (attempts: readonly Attempt[]): readonly Success[] =>
  attempts.filter((each) => each.ok);

describe("endpoints that are replaced a hundred times a second", () => {
  let cluster: Cluster;
  let agent: TestAgent;
  let node: TestNode;
  let servers: readonly Server[];

  beforeAll(async () => {
    cluster = await Cluster.start();
    node = await cluster.addNode("a");
    servers = await startServers(node, serverCount);
    const source = { controlPlane: cluster.controlPlane };
    agent = await TestAgent.start({ node, source, flags: ["--audit-period=1s"] });
  });
  afterAll(async () => {
    await agent?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  it("fail no connect, and none reaches a backend after its removal was published (PF-01, PF-27, KP-54)", async () => {
    const churn = new Churn(cluster.api, "churned", servers);
    const address = await churn.begin();
    await agent.hasEndpoints("churned", 2);
    const client = await node.makePod("client");
    const loads: Load[] = [];
    for (const protocol of protocols) {
      loads.push(await startLoad(client, { protocol, address, port: 80 }, { gapUs: 250 }));
    }
    const stopReading = await readWhilePublished(agent, churn);
    const startedAt = performance.now();
    await churn.run(perSecond, durationMs);
    const seconds = (performance.now() - startedAt) / 1_000;
    const timelines = stopReading();
    const summaries = await Promise.all(loads.map((load) => load.stop()));
    const rate = (churn.replacements.length - 1) / seconds;
    console.log(
      `B3: ${churn.replacements.length - 1} replacements in ${seconds.toFixed(1)} s: ${rate.toFixed(1)}/s`,
    );
    const { publishLatency, audits } = (await agent.status()).sync;
    console.log(`B3: the agent reports, event to published: ${JSON.stringify(publishLatency)}`);

    for (const [at, protocol] of protocols.entries()) {
      const timeline = timelines[at]!;
      const successes = succeeded(loads[at]!.attempts);
      const stale = timeline.stale(successes);
      const { attempts, failed, errors } = summaries[at]!;
      const ages = timeline.confirmedGoneNs(successes);
      console.log(
        `B3 ${protocol}: ${attempts} connects, ${failed} failed, ${stale.length} after publication;` +
          ` API answer to maps ${spread(timeline.latenciesNs())};` +
          ` connects after the API's answer ${spread(ages)}`,
      );
      expect({ failed, errors, stale }).toEqual({ failed: 0, errors: {}, stale: [] });
      expect(longest(ages)).toBeLessThanOrEqual(longest(timeline.latenciesNs()));
      expect(timeline.length).toBeGreaterThan(1_000);
      expect(attempts).toBeGreaterThan(10_000);
    }
    expect(churn.replacements.length).toBe(1 + 3_000);
    // What the agent itself changes meanwhile is no damage to an audit (KP-54).
    expect(audits.count).toBeGreaterThan(3);
    expect(Object.values(audits.repairs).every((found) => found === 0)).toBe(true);
    // It is printed: a machine that has other work at the same time falls behind the plan.
    expect(rate).toBeGreaterThan(80);
  }, 90_000);
});

/** Follows the maps every millisecond; what it returns ends that and gives a timeline a protocol. */
async function readWhilePublished(agent: TestAgent, churn: Churn) {
  const reports = await agent.services();
  const indices = protocols.map((protocol) => {
    const report = reports.find(
      (each) => each.name === churn.service && each.portName === protocol,
    );
    return report!.index;
  });
  const slices = new PublishedSlices(agent.pinPath);
  const timelines = protocols.map(() => new Timeline(churn.replacements));
  const timer = setInterval(() => {
    for (const [at, index] of indices.entries()) {
      const reading = slices.read(index);
      if (reading !== undefined) timelines[at]?.note(reading);
    }
  }, 1);
  return () => {
    clearInterval(timer);
    slices[Symbol.dispose]();
    return timelines;
  };
}
