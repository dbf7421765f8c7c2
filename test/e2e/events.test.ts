import type { CoreV1Event } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";

let cluster: Cluster;
let node: TestNode;
let agent: TestAgent;

const onNode = async (...command: [string, ...string[]]) => {
  const [program, ...args] = command;
  const { code, stderr } = await node.run(program, args, { cgroup: false });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
};

beforeAll(async () => {
  cluster = await Cluster.start();
  node = await cluster.addNode("a");
  await onNode("nft", "add table ip kube-proxy; add table ip6 kube-proxy");
  await onNode("nft", "add table ip nat; add chain ip nat KUBE-SERVICES");
  agent = await TestAgent.start({
    node,
    source: { controlPlane: cluster.controlPlane },
    flags: ["--max-services=2"],
  });
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** What `kubectl get events` lists of one object and reason. */
async function eventsOf(kind: string, name: string, reason: string): Promise<CoreV1Event[]> {
  const { items } = await cluster.api.core.listNamespacedEvent({
    namespace: "default",
    fieldSelector: `involvedObject.kind=${kind},involvedObject.name=${name},reason=${reason}`,
  });
  return items;
}

const eventOf = (kind: string, name: string, reason: string): Promise<CoreV1Event> =>
  until(async () => (await eventsOf(kind, name, reason))[0], {
    deadlineMs: 15_000,
    describe: () => `${reason} of ${kind} ${name}; the agent said: ${agent.log}`,
  });

describe("the events that the API server lists", () => {
  it("tell of rules of another proxy, on the Node, for as long as the metric stands (PF-41)", async () => {
    const event = await eventOf("Node", "a", "SecondServiceProxyFound");
    expect(event).toMatchObject({
      type: "Warning",
      action: "CheckNode",
      reportingComponent: "sluice",
      reportingInstance: "sluice-a",
      involvedObject: { kind: "Node", name: "a", uid: "a" },
      message: expect.stringContaining(
        "table ip kube-proxy of nftables, chain KUBE-SERVICES of iptables (ip nat), table ip6 kube-proxy of nftables",
      ),
    });
    const { foreignProxies, problems, sync } = await agent.status();
    expect(foreignProxies.map(({ evidence }) => evidence)).toEqual([
      "nftables",
      "iptables",
      "nftables",
    ]);
    expect(problems.map(({ target }) => target)).toContain("another service proxy");
    expect(sync.ready).toBe(true);
    await onNode(
      "nft",
      "delete table ip kube-proxy; delete table ip6 kube-proxy; delete table ip nat",
    );
    await until(async () => (await agent.status()).foreignProxies.length === 0, {
      deadlineMs: 15_000,
      describe: "the rules to be known to have gone",
    });
  });

  it("tell of a healthCheckNodePort that another process has, on the Service (KP-40)", async () => {
    const script = 'require("net").createServer().listen(32123, () => console.log("ready"))';
    const other = node.start(process.execPath, ["-e", script], { cgroup: false });
    await until(() => other.stdout.includes("ready"), {
      deadlineMs: 5_000,
      describe: () => `another process at the port; ${other.stderr}`,
    });
    await cluster.api.createService("checked", {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 32123,
      ports: [{ port: 80 }],
    });
    const event = await eventOf("Service", "checked", "FailedToStartServiceHealthcheck");
    expect(event).toMatchObject({
      action: "Listen",
      metadata: { namespace: "default" },
      message: expect.stringMatching(/^node a: healthCheckNodePort 32123 cannot be served/),
    });
    await other.stop();
  });

  it("tell of a Service that finds no room in a map, once (PF-08)", async () => {
    await cluster.api.createService("late", { ports: [{ port: 80 }] });
    const { message } = await eventOf("Service", "late", "ServiceMapFull");
    expect(message).toMatch(/^port \/TCP\/IPv4 is not programmed: the map services has no room/);
    const { events, failures } = await agent.status();
    expect(failures.map(({ service }) => service)).toEqual(["default/late:/TCP/IPv4"]);
    expect(events).toMatchObject({ failed: 0 });
    expect(await eventsOf("Service", "late", "ServiceMapFull")).toHaveLength(1);
  });
});
