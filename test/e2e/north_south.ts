import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServiceSpec, writeService } from "../datapath/manifests.ts";
import { TestAgent } from "../harness/agent.ts";
import type { TestClient } from "../harness/client.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import { netSettings } from "../harness/netns.ts";
import { Network } from "../harness/network.ts";
import type { NodeOptions, TestNode } from "../harness/node.ts";
import type { ServerPorts, TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";

export interface NorthSouthOptions {
  /** How pods are joined to the first node. */
  readonly podLink?: NodeOptions["podLink"];
  /** Of the nodes that have an agent: the first (default), or the first two. */
  readonly agents?: 1 | 2;
  /** Of each agent. */
  readonly flags?: readonly string[];
}

/** The ways that packets take through the node. */
export const shapes = [
  { shape: "pods by bridge", podLink: "bridge", flags: [] },
  { shape: "pods by routes", podLink: "routes", flags: [] },
  { shape: "all by the stack", podLink: "routes", flags: ["--fast-path=off"] },
] as const satisfies readonly (NorthSouthOptions & { readonly shape: string })[];

const publishMs = 10_000;

/**
 * A client outside and nodes: "a", which the client's traffic is led to, "b" on the same network,
 * "c" with its pods in an overlay and "d" behind a narrow link. Agents read one folder.
 */
export class NorthSouth implements AsyncDisposable {
  readonly network: Network;
  readonly client: TestClient;
  readonly folder: string;
  readonly nodes: Readonly<Record<"a" | "b" | "c" | "d", TestNode>>;
  readonly agents: TestAgent[] = [];

  private constructor(
    network: Network,
    client: TestClient,
    folder: string,
    [a, b, c, d]: readonly [TestNode, TestNode, TestNode, TestNode],
  ) {
    this.network = network;
    this.client = client;
    this.folder = folder;
    this.nodes = { a, b, c, d };
  }

  static async start(options: NorthSouthOptions = {}): Promise<NorthSouth> {
    const stage = await NorthSouth.prepare(options);
    try {
      await stage.startAgents(options);
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Everything but the agents. */
  static async prepare({ podLink = "bridge" }: NorthSouthOptions = {}): Promise<NorthSouth> {
    const network = await Network.create();
    const nodes = [
      await network.makeNode("a", { podLink }),
      await network.makeNode("b", { podLink: "routes" }),
      await network.makeNode("c", { reach: "overlay" }),
      await network.makeNode("d", { reach: "narrow" }),
    ] as const;
    // The strictest that nodes are set to: what comes in by the wrong device is dropped.
    for (const { netns } of nodes) await netSettings(netns, { "ipv4/conf/all/rp_filter": 1 });
    for (const range of vipRanges) await network.routeTo(range, nodes[0]);
    const client = await network.makeClient("client");
    const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}manifests-`));
    await writeFile(join(folder, "nodes.yaml"), nodes.map(manifestOf).join(""));
    return new NorthSouth(network, client, folder, nodes);
  }

  async startAgents({ agents = 1, flags = [] }: NorthSouthOptions = {}): Promise<void> {
    for (const node of [this.nodes.a, this.nodes.b].slice(0, agents)) {
      const source = { folder: this.folder };
      this.agents.push(await TestAgent.start({ node, source, flags }));
    }
  }

  /** The first node's. */
  get agent(): TestAgent {
    const [first] = this.agents;
    if (first === undefined) throw new Error("no agent was started");
    return first;
  }

  /** Makes a pod on a node and starts its server. */
  async pod(node: TestNode, name: string, ports: ServerPorts = serverPorts): Promise<TestPod> {
    const pod = await node.makePod(name);
    await pod.serve(ports);
    return pod;
  }

  /** Writes a Service, and waits until each agent has published its endpoints and addresses. */
  async publish(spec: ServiceSpec): Promise<void> {
    await writeService(this.folder, spec);
    for (const agent of this.agents) {
      await until(() => isPublished(agent, spec), {
        deadlineMs: publishMs,
        describe: () => `${spec.name} to be published; the agent said: ${agent.log}`,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.agents) await agent[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Where every pod listens, unless a test says otherwise. */
export const serverPorts = { tcp: [8080], udp: [8080] } as const;

/** What `addressesOf` takes those from that are led to a node. */
const vipRanges = ["203.0.113.0/24", "198.51.100.0/24", "2001:db8:113::/64", "2001:db8:51::/64"];

export const families = ["ip4", "ip6"] as const;
export type Family = (typeof families)[number];
export const protocols = ["tcp", "udp"] as const;

/** The addresses at which Service number `n` answers at port 80. */
export const addressesOf = (n: number, family: Family) =>
  family === "ip4"
    ? { cluster: `10.96.0.${n}`, balancer: `203.0.113.${n}`, external: `198.51.100.${n}` }
    : { cluster: `fd00:96::${n}`, balancer: `2001:db8:113::${n}`, external: `2001:db8:51::${n}` };

type Exposed = Pick<ServiceSpec, "endpoints"> & Partial<ServiceSpec>;

/** Service number `n` in both families and protocols at `addressesOf(n)`, and NodePort 30000 + n. */
export const exposed = (name: string, n: number, spec: Exposed): ServiceSpec => {
  const [v4, v6] = [addressesOf(n, "ip4"), addressesOf(n, "ip6")];
  return {
    name,
    ip4: v4.cluster,
    ip6: v6.cluster,
    loadBalancerIPs: [v4.balancer, v6.balancer],
    externalIPs: [v4.external, v6.external],
    ports: protocols.map((protocol) => ({
      name: protocol,
      protocol: protocol === "tcp" ? "TCP" : "UDP",
      port: 80,
      targetPort: 8080,
      nodePort: 30_000 + n,
    })),
    ...spec,
  };
};

const manifestOf = ({ name, ip4, ip6 }: TestNode): string => {
  const addresses = [ip4, ip6].map((address) => ({ type: "InternalIP", address }));
  const node = { apiVersion: "v1", kind: "Node", metadata: { name }, status: { addresses } };
  return `---\n${JSON.stringify(node)}\n`;
};

async function isPublished(agent: TestAgent, spec: ServiceSpec): Promise<boolean> {
  const reports = (await agent.services()).filter(({ name }) => name === spec.name);
  if (reports.length !== 2 * spec.ports.length) return false;
  return reports.every(({ portName, family, cluster, frontends }) => {
    const port = spec.ports.find(({ name }) => name === portName);
    const key = family === "IPv4" ? "ip4" : "ip6";
    const wanted = (port?.endpoints ?? spec.endpoints).filter(({ ready }) => ready !== false);
    return (
      sorted(cluster.map(({ address }) => address)) === sorted(wanted.map(({ pod }) => pod[key])) &&
      frontends.length > 1
    );
  });
}

const sorted = (texts: readonly string[]): string => [...texts].sort().join();
