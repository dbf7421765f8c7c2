import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import type { Deployment } from "../harness/deployment.ts";
import { attempt } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";

let cluster: Cluster;
let node: TestNode;
let client: TestPod;
let agent: TestAgent;
let address: string;
let shop: Deployment;

beforeAll(async () => {
  cluster = await Cluster.start();
  node = await cluster.addNode("a", { "topology.kubernetes.io/zone": "east" });
  client = await node.makePod("client");
  agent = await TestAgent.start({ node, source: { controlPlane: cluster.controlPlane } });
  const service = await cluster.api.createService("shop", {
    selector: { app: "shop" },
    ports: [{ name: "web", port: 80, targetPort: 8080 }],
  });
  address = service.spec?.clusterIP ?? "";
  shop = await cluster.deployment("shop", { replicas: 2, ports: [{ name: "web", port: 8080 }] });
  await agent.hasEndpoints("shop", 2);
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** From inside the node, as a probe or Prometheus would. */
async function get(port: number, path: string): Promise<{ status: number; body: string }> {
  const script = `fetch("http://127.0.0.1:${port}${path}").then(async (r) =>
    console.log(JSON.stringify({ status: r.status, body: await r.text() })))`;
  const { stdout, stderr } = await node.run(process.execPath, ["-e", script], { cgroup: false });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout);
}

async function metric(pattern: RegExp): Promise<number> {
  const { body } = await get(10249, "/metrics");
  const line = body.split("\n").find((each) => pattern.test(each));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}

const shopCounter = (counter: string): RegExp =>
  new RegExp(`^sluice_service_${counter}_total\\{namespace="default",name="shop",port="web"`);

describe("what a running agent tells", () => {
  it("counts each connection for its Service, and each refusal (PF-48)", async () => {
    const before = await metric(shopCounter("connections"));
    const attempts = await attempt(client, { protocol: "tcp", address, port: 80 }, { count: 25 });
    expect(attempts.filter(({ ok }) => ok)).toHaveLength(25);
    expect(await metric(shopCounter("connections"))).toBe(before + 25);
    expect(await metric(shopCounter("refused"))).toBe(0);
  });

  it("measures from the controller's change time to the kernel (KP-60)", async () => {
    const count = /^kubeproxy_network_programming_duration_seconds_count\{ip_family="IPv4"/;
    // The API keeps whole seconds, so that the first changes may seem to precede the agent's start.
    const [pod] = shop.pods;
    const measured = async () => {
      await pod?.setReady(false);
      await pod?.setReady(true);
      return (await metric(count)) > 0;
    };
    await until(measured, {
      deadlineMs: 10_000,
      describe: "an endpoint's programming time to be measured",
    });
  });

  it("counts Services that a Local policy leaves without an endpoint here (KP-14, KP-60)", async () => {
    const gaps = (policy: string) =>
      metric(
        new RegExp(
          `^kubeproxy_sync_proxy_rules_no_local_endpoints_total\\{traffic_policy="${policy}",ip_family="IPv4"`,
        ),
      );
    expect(await gaps("internal")).toBe(0);
    const b = await cluster.addNode("b");
    await cluster.api.createService("far", {
      selector: { app: "far" },
      internalTrafficPolicy: "Local",
      ports: [{ port: 80, targetPort: 8080 }],
    });
    const far = await cluster.deployment("far", {
      replicas: 1,
      ports: [{ port: 8080 }],
      nodes: [b],
    });
    const reaches = (count: number) =>
      until(async () => (await gaps("internal")) === count, {
        deadlineMs: 10_000,
        describe: `${count} Services without a local endpoint`,
      });
    await reaches(1);
    expect(await gaps("external")).toBe(0);
    await far.scale(0);
    await reaches(0);
  });

  it("shows its settings and its name beside the metrics (KP-42)", async () => {
    const { status, body } = await get(10249, "/configz");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ "sluice.dev": { nodeName: "a" } });
    expect(await get(10249, "/proxyMode")).toEqual({ status: 200, body: "sluice" });
    expect(await get(10249, "/healthz")).toEqual({ status: 200, body: "ok" });
  });

  it("is healthy and live with its Node known, in kube-proxy's shape (KP-41)", async () => {
    const healthz = await get(10256, "/healthz");
    expect(healthz.status).toBe(200);
    expect(JSON.parse(healthz.body)).toMatchObject({ nodeEligible: true, healthy: true });
    expect((await get(10256, "/livez")).status).toBe(200);
    expect(await metric(/^kubeproxy_proxy_healthz_total\{code="200"/)).toBe(1);
  });

  it("is no longer healthy, yet live, on a node that is about to leave (KP-41)", async () => {
    await cluster.controlPlane.api.core.patchNode({
      name: "a",
      body: [
        {
          op: "add",
          path: "/spec/taints",
          value: [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }],
        },
      ],
    });
    await until(async () => (await get(10256, "/healthz")).status === 503, {
      deadlineMs: 10_000,
      describe: "/healthz to say that the node leaves",
    });
    expect((await get(10256, "/livez")).status).toBe(200);
  });

  it("names the zone of its node and the source's standing in its status", async () => {
    const { node: own, source, datapath } = await agent.status();
    expect(own).toEqual({ name: "a", zone: "east" });
    expect(source.resources.map(({ resource, synced }) => [resource, synced])).toEqual([
      ["services", true],
      ["endpointslices", true],
      ["nodes", true],
      ["servicecidrs", true],
      ["foreignservices", true],
    ]);
    expect(datapath.programs.filter(({ attached }) => !attached)).toEqual([]);
  });

  it("shows a Service by the command, from the agent and from the pins alone", async () => {
    const shown = await agent.run("service", "get", "default/shop");
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain(`Frontends:  ClusterIP ${address}:80`);
    expect(shown.stdout).toMatch(/10\.244\.1\.\d+:8080 +cluster [\d.]+% +ready +this/);
    await agent.kill();
    const alone = await agent.run("service", "get", "default/shop");
    expect(alone.code).toBe(0);
    expect(alone.stdout).toBe(shown.stdout);
    expect(alone.stderr).toContain("no agent answers");
  });
});
