import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import type { Deployment } from "../harness/deployment.ts";
import { startKubeProxy } from "../harness/kube_proxy.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";

let cluster: Cluster;
let agent: TestAgent;
let web: Deployment;
let nodes: readonly [kubeProxy: TestNode, sluice: TestNode];
const checkPort = 32_100;
const local = { type: "LoadBalancer", externalTrafficPolicy: "Local" } as const;

beforeAll(async () => {
  cluster = await Cluster.start();
  nodes = [await cluster.addNode("a"), await cluster.addNode("b")];
  const [a, b] = nodes;
  const { controlPlane } = cluster;
  await startKubeProxy(controlPlane, a, "nftables", { nodePortAddresses: ["0.0.0.0/0", "::/0"] });
  const flags = ["--nodeport-addresses=all"];
  agent = await TestAgent.start({ node: b, source: { controlPlane }, flags });
  await cluster.api.createService("web", {
    ...{ ...local, healthCheckNodePort: checkPort },
    selector: { app: "web" },
    ports: [{ port: 80, targetPort: 8080 }],
  });
  web = await cluster.deployment("web", { replicas: 2, ports: [{ port: 8080 }] });
  await agent.hasEndpoints("web", 2);
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: string;
  /** Without those of the connection, and without dates. */
  readonly headers: readonly string[];
  readonly body: string;
}

const ofConnection = /^(date|connection|keep-alive|transfer-encoding):/i;

async function get(node: TestNode, url: string): Promise<Answer> {
  const { code, stdout, stderr } = await node.run("curl", ["-g", "-sSi", url], { cgroup: false });
  if (code !== 0) throw new Error(stderr);
  const [head = "", ...body] = stdout.split("\r\n\r\n");
  const [status = "", ...headers] = head.split("\r\n");
  return {
    status,
    headers: headers.filter((line) => !ofConnection.test(line)).toSorted(),
    body: body.join("\r\n\r\n"),
  };
}

const both = (url: (node: TestNode) => string) =>
  Promise.all(nodes.map((node) => get(node, url(node))));

/** Both answers, as soon as kube-proxy's is of this status. */
const bothOnce = (status: string, url: (node: TestNode) => string) =>
  until(
    async () => {
      const answers = await both(url);
      return answers.every((answer) => answer.status.includes(status)) && answers;
    },
    { deadlineMs: 30_000, describe: `both to answer ${status}` },
  );

describe("as the real kube-proxy", () => {
  it("answers a balancer's check, to the byte (KP-40)", async () => {
    const url = ({ ip4 }: TestNode) => `http://${ip4}:${checkPort}/any/path`;
    const [theirs, ours] = await bothOnce("200", url);
    expect(ours).toEqual(theirs);
    expect(ours?.body).toContain('"localEndpoints": 1');
    await cluster.api.patchService("web", { spec: { selector: { app: "nobody" } } });
    const [theirsOfNone, oursOfNone] = await bothOnce("503", url);
    expect(oursOfNone).toEqual(theirsOfNone);
    await cluster.api.patchService("web", { spec: { selector: { app: "web" } } });
    await bothOnce("200", url);
  });

  it("answers it at every address for the address's family alone (KP-02, KP-40)", async () => {
    const healthCheckNodePort = checkPort + 1;
    await cluster.api.createService("six", {
      ...{ ...local, healthCheckNodePort },
      ipFamilyPolicy: "RequireDualStack",
      ports: [{ port: 80 }],
    });
    const body = {
      addressType: "IPv6",
      metadata: { name: "six", labels: { "kubernetes.io/service-name": "six" } },
      endpoints: nodes.map(({ name }, at) => ({
        ...{ addresses: [`fd00:10:244::6:${at}`], nodeName: name },
        conditions: { ready: true },
      })),
      ports: [{ port: 8080, protocol: "TCP" }],
    };
    await cluster.api.discovery.createNamespacedEndpointSlice({ namespace: "default", body });
    const expected: readonly (readonly [string, string, (node: TestNode) => string])[] = [
      ["200", '"localEndpoints": 1', ({ ip6 }) => `[${ip6}]`],
      ["200", '"localEndpoints": 1', () => "[::1]"],
      ["503", '"localEndpoints": 0', ({ ip4 }) => ip4],
      ["503", '"localEndpoints": 0', () => "127.0.0.1"],
    ];
    for (const [status, count, host] of expected) {
      const url = (node: TestNode) => `http://${host(node)}:${healthCheckNodePort}/`;
      const [theirs, ours] = await bothOnce(status, url);
      expect(ours).toEqual(theirs);
      expect(ours?.body).toContain(count);
    }
  });

  /** With what differs in each answer written as one. */
  const timeless = (body: string) => body.replace(/"\d{4}-[^"]*Z?"/g, '"time"');
  const shapeOf = (body: string): unknown =>
    JSON.parse(timeless(body), (_, value) =>
      value !== null && typeof value === "object" && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted())
        : value,
    );

  const isAlike = async (path: string, status: string) => {
    const [theirs, ours] = await bothOnce(status, () => `http://127.0.0.1:10256/${path}`);
    expect(shapeOf(ours?.body ?? "")).toEqual(shapeOf(theirs?.body ?? ""));
    expect(typeOf(ours)).toEqual(typeOf(theirs));
  };
  const typeOf = (answer: Answer | undefined) =>
    answer?.headers.find((line) => /^content-type/i.test(line))?.toLowerCase();

  it.each(["healthz", "livez"])("answers /%s (KP-41)", (path) => isAlike(path, "200"));

  it("turns /healthz alone to 503 on a node that is about to leave (KP-41)", async () => {
    const taints = [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }];
    for (const { name } of nodes) await cluster.api.patchNode(name, { spec: { taints } });
    await isAlike("healthz", "503");
    await isAlike("livez", "200");
    for (const { name } of nodes) await cluster.api.patchNode(name, { spec: { taints: [] } });
    await isAlike("healthz", "200");
  });

  it("is asked whether it is well beside the metrics, too (KP-42)", async () => {
    const [theirs, ours] = await both(() => "http://127.0.0.1:10249/healthz");
    expect(ours).toEqual(theirs);
  });

  it("has every metric, with type and labels, that the documentation does not except (KP-60)", async () => {
    const page = readFileSync(join(import.meta.dirname, "../../ARCHITECTURE.md"), "utf8");
    const [, left = ""] = page.split("| Left out | Why | Instead |");
    expect(left).toContain("conntrack_reconciler");
    let theirs: ReadonlyMap<string, string> = new Map();
    let missing: readonly (readonly [string, string])[] = [];
    const hasAll = async () => {
      // The API keeps whole seconds: the first changes may seem to precede the agent's start.
      for (const ready of [false, true]) await web.pods[0]?.setReady(ready);
      const answers = await both(() => "http://127.0.0.1:10249/metrics");
      const [a, b] = answers.map(({ body }) => familiesOf(body));
      theirs = a ?? theirs;
      missing = [...theirs].filter(
        ([name, shape]) => b?.get(name) !== shape && !left.includes(name),
      );
      return missing.length === 0;
    };
    await until(hasAll, { deadlineMs: 15_000, describe: () => `what kube-proxy has: ${missing}` });
    expect(theirs.size).toBeGreaterThan(10);
  });
});

/** Type and labels of each of kube-proxy's own metrics. */
function familiesOf(text: string): ReadonlyMap<string, string> {
  const types = [...text.matchAll(/^# TYPE (kubeproxy_\S+) (\S+)$/gm)];
  return new Map(
    types.map(([, name = "", type]) => {
      const sample = new RegExp(`^${name}(?:_count)?(?:{(.*)})? `, "m").exec(text);
      const labels = [...(sample?.[1] ?? "").matchAll(/([a-z_]+)=/g)].map(([, label]) => label);
      return [name, `${type} {${labels.toSorted().join()}}`];
    }),
  );
}
