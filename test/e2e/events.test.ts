import type { CoreV1Event } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import type { Child } from "../harness/child.ts";
import { Cluster } from "../harness/cluster.ts";
import { startKubeProxy } from "../harness/kube_proxy.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";

let cluster: Cluster;
let node: TestNode;
let agent: TestAgent;
let proxy: Child;

const onNode = async (...command: [string, ...string[]]) => {
  const [program, ...args] = command;
  const { code, stderr } = await node.run(program, args, { cgroup: false });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
};

beforeAll(async () => {
  cluster = await Cluster.start();
  node = await cluster.addNode("a");
  proxy = await startKubeProxy(cluster.controlPlane, node, "nftables");
  const tables = async () => (await node.run("nft", ["list tables"], { cgroup: false })).stdout;
  await until(async () => (await tables()).includes("ip6 kube-proxy"), {
    deadlineMs: 15_000,
    describe: () => `kube-proxy to make its tables; it said ${proxy.stderr}`,
  });
  const { controlPlane } = cluster;
  // kube-proxy has it exposed to the node already.
  const exposed = {
    exposeTo: async () => {},
    kubeconfigFor: (user: string) => controlPlane.kubeconfigFor(user),
  };
  agent = await TestAgent.start({
    node,
    source: { controlPlane: exposed },
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

const evidence = async () =>
  (await agent.status()).foreignProxies.map((each) => each.evidence).filter(isOfRules);

/** kube-proxy had the ports as well, but not for as long as counts. */
const isOfRules = (each: string): boolean => !each.endsWith("_port");

describe("the events that the API server lists", () => {
  it("tell of the rules of a real kube-proxy, on the Node (KP-92, PF-41)", async () => {
    const event = await eventOf("Node", "a", "SecondServiceProxyFound");
    expect(event).toMatchObject({
      type: "Warning",
      action: "CheckNode",
      reportingComponent: "sluice",
      reportingInstance: "sluice-a",
      involvedObject: { kind: "Node", name: "a", uid: "a" },
      message: expect.stringContaining(
        "table ip kube-proxy of nftables, table ip6 kube-proxy of nftables",
      ),
    });
    const { problems, sync } = await agent.status();
    expect(problems.map(({ target }) => target)).toContain("another service proxy");
    expect(sync.ready).toBe(true);
    expect(await evidence()).toEqual(["nftables", "nftables"]);
    await proxy.stop();
    // What its mode iptables makes, over nftables.
    await onNode("nft", "add table ip nat; add chain ip nat KUBE-SERVICES");
    await onNode("nft", "delete table ip kube-proxy; delete table ip6 kube-proxy");
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

  it("are told of the node as it is, which is looked at again and again (KP-90, PF-41)", async () => {
    await until(async () => (await evidence()).join() === "iptables", {
      deadlineMs: 15_000,
      describe: "the agent to see that tables have gone and a chain has come",
    });
    await until(async () => (await eventsOf("Node", "a", "SecondServiceProxyFound")).length === 2, {
      deadlineMs: 5_000,
      describe: "an event for the chain, too",
    });
  });
});
