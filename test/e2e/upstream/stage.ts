import { TestAgent } from "../../harness/agent.ts";
import type { TestClient } from "../../harness/client.ts";
import { Cluster } from "../../harness/cluster.ts";
import { ClusterPod, type ClusterPodSpec } from "../../harness/cluster_pod.ts";
import { HostPod } from "../../harness/host_pod.ts";
import type { TestNode } from "../../harness/node.ts";
import type { TestPod } from "../../harness/pod.ts";

/** Addresses outside the cluster that are led to the first node. */
const externalRanges = ["203.0.113.0/24", "2001:db8:113::/64"];

type Parts = Pick<Stage, "cluster" | "nodes" | "agents" | "pods" | "hostPods" | "outside">;

/**
 * Where Kubernetes' own end-to-end tests of a service proxy are told again: a real control plane,
 * nodes "a" and "b" with an agent each, pods on each that only ask, and a client outside.
 */
export class Stage implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly nodes: Readonly<Record<"a" | "b", TestNode>>;
  readonly agents: Readonly<Record<"a" | "b", TestAgent>>;
  /** Pods that only ask, by the node that they are on. */
  readonly pods: Readonly<Record<"a" | "b", TestPod>>;
  /** The same with hostNetwork. */
  readonly hostPods: Readonly<Record<"a" | "b", HostPod>>;
  readonly outside: TestClient;

  private constructor(parts: Parts) {
    this.cluster = parts.cluster;
    this.nodes = parts.nodes;
    this.agents = parts.agents;
    this.pods = parts.pods;
    this.hostPods = parts.hostPods;
    this.outside = parts.outside;
  }

  static async start(): Promise<Stage> {
    const cluster = await Cluster.start();
    try {
      return await Stage.#fill(cluster);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  static async #fill(cluster: Cluster): Promise<Stage> {
    const a = await cluster.addNode("a", { "topology.kubernetes.io/zone": "east" });
    const b = await cluster.addNode("b", { "topology.kubernetes.io/zone": "west" });
    for (const range of externalRanges) await cluster.network.routeTo(range, a);
    const outside = await cluster.network.makeClient("outside");
    const pods = { a: await a.makePod("asker-a"), b: await b.makePod("asker-b") };
    const hostPods = {
      a: await HostPod.create("host-asker-a", a),
      b: await HostPod.create("host-asker-b", b),
    };
    const source = { controlPlane: cluster.controlPlane };
    const [first, second] = await Promise.all([
      TestAgent.start({ node: a, source }),
      TestAgent.start({ node: b, source }),
    ]);
    const agents = { a: first, b: second };
    return new Stage({ cluster, nodes: { a, b }, agents, pods, hostPods, outside });
  }

  /** Starts a pod that serves on one of the nodes, with its object. */
  serve(node: "a" | "b", spec: ClusterPodSpec): Promise<ClusterPod> {
    return ClusterPod.start(this.cluster.api, this.nodes[node], spec);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of Object.values(this.agents)) await agent[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** Tests of one subject; the stage is there once they run. */
export type Scenes = (stage: () => Stage) => void;
