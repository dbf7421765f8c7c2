import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import type { Deployment } from "../harness/deployment.ts";
import { attempt, type Target } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { failsOnly, metric } from "./health.ts";
import { type KeptLoad, startKeptLoad } from "./kept_load.ts";

/** The agent takes 8 of the 10 s: a machine that stands still for the others gets another try. */
const again = { retry: 1 };

let cluster: Cluster;
let node: TestNode;
let client: TestPod;
let agent: TestAgent;
let shop: Deployment;
let service: Target;

beforeAll(async () => {
  cluster = await Cluster.start();
  node = await cluster.addNode("a");
  client = await node.makePod("client");
  agent = await TestAgent.start({ node, source: { controlPlane: cluster.controlPlane } });
  const { spec } = await cluster.api.createService("shop", {
    selector: { app: "shop" },
    ports: [{ port: 80, targetPort: 8080 }],
  });
  service = { protocol: "tcp", address: spec?.clusterIP ?? "", port: 80 };
  shop = await cluster.deployment("shop", { replicas: 2, ports: [{ port: 8080 }] });
  await agent.hasEndpoints("shop", 2);
});
afterAll(async () => {
  cluster?.controlPlane.thawApiServer();
  await agent?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

const lists = async () => (await agent.status()).source.resources.map((each) => each.lists);

const watchAges = async () =>
  (await agent.status()).source.resources.map((each) => each.confirmedSecondsAgo ?? Number.NaN);

/** New connections are made, and one that stood before goes on. */
async function isServed({ load }: KeptLoad): Promise<void> {
  const made = await attempt(client, service, { count: 50 });
  expect(made.filter(({ ok }) => !ok)).toEqual([]);
  const { length } = load.attempts;
  await until(() => load.attempts.length > length + 10, {
    deadlineMs: 5_000,
    describe: "a connection of before to go on",
  });
}

it("is ready while the API server answers (PF-03)", async () => {
  await failsOnly(node);
  expect(await metric(node, 'sluice_readiness{check="confirmed"}')).toBe(1);
});

describe("an API server that is stopped where it stands", () => {
  it(
    "turns readiness and the watch's age within 10 s, and back; health stays, and so do connections (PF-03, KP-41)",
    again,
    async () => {
      const before = await lists();
      const kept = await startKeptLoad(client, service);
      cluster.controlPlane.freezeApiServer();
      try {
        const { failing } = await failsOnly(node, "confirmed");
        expect(failing.confirmed).toMatch(
          /^not confirmed by the API server: services for \d+ s; endpointslices for \d+ s; nodes /,
        );
        expect(await metric(node, 'sluice_readiness{check="confirmed"}')).toBe(0);
        expect(await metric(node, 'sluice_readiness{check="listed"}')).toBe(1);
        const age = await metric(node, 'sluice_watch_age_seconds{resource="endpointslices"}');
        expect(age).toBeGreaterThan(8);
        const { stdout, code } = await agent.run("status");
        expect(stdout).toMatch(/^NOT READY +REASON\nconfirmed +not confirmed by the API server: /);
        expect(code).toBe(0);
        await isServed(kept);
      } finally {
        cluster.controlPlane.thawApiServer();
      }
      await failsOnly(node);
      expect(Math.max(...(await watchAges()))).toBeLessThan(8);
      expect(await metric(node, 'sluice_readiness{check="confirmed"}')).toBe(1);
      await shop.scale(3);
      await agent.hasEndpoints("shop", 3, 10_000);
      expect(await lists()).toEqual(before);
      expect((await kept.load.stop()).failed).toBe(0);
    },
  );
});

describe("a firewall that drops what goes to and comes from the API server", () => {
  const port = () => new URL(cluster.controlPlane.url).port;
  const nft = async (...commands: readonly string[]) => {
    const { code, stderr } = await node.run("nft", [commands.join("; ")], { cgroup: false });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  };
  const drop = () =>
    nft(
      "add table inet hole",
      "add chain inet hole in { type filter hook input priority 0; }",
      `add rule inet hole in tcp dport ${port()} drop`,
      `add rule inet hole in tcp sport ${port()} drop`,
    );

  it(
    "is told likewise; watches are made anew, and go on without a list once it is gone (PF-03, KP-41)",
    again,
    async () => {
      const before = await lists();
      const kept = await startKeptLoad(client, service);
      await drop();
      try {
        await failsOnly(node, "confirmed");
        await shop.scale(4);
        await until(() => /the API server has said nothing for \d\d s/.test(agent.log), {
          deadlineMs: 30_000,
          describe: () => `the watches to be cut; the agent said: ${agent.log}`,
        });
        await isServed(kept);
      } finally {
        await nft("delete table inet hole");
      }
      await failsOnly(node);
      await agent.hasEndpoints("shop", 4, 10_000);
      expect(await lists()).toEqual(before);
      expect((await kept.load.stop()).failed).toBe(0);
    },
  );
});
