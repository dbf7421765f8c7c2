import { TestAgent } from "../../harness/agent.ts";
import type { TestNode } from "../../harness/node.ts";
import type { TestPod } from "../../harness/pod.ts";
import type { Stage } from "./stage.ts";

/** What an agent and a pod that only asks are on. */
interface Outpost {
  readonly pod: TestPod;
  readonly agent: TestAgent;
}

export type NodeName = "a" | "b" | "c" | "d" | "e";
/** Where pods ask: on every node but d, which has no agent. */
export type Asker = Exclude<NodeName, "d">;

/** The stage's nodes and three more: a and c in the zone east, b and d in west, and e in north. */
export class Zones implements AsyncDisposable {
  readonly nodes: Readonly<Record<NodeName, TestNode>>;
  readonly outposts: Readonly<Record<Asker, Outpost>>;

  private constructor(nodes: Zones["nodes"], outposts: Zones["outposts"]) {
    this.nodes = nodes;
    this.outposts = outposts;
  }

  static async open(stage: Stage): Promise<Zones> {
    const add = (name: string, zone: string) =>
      stage.cluster.addNode(name, { "topology.kubernetes.io/zone": zone });
    const c = await add("c", "east");
    const d = await add("d", "west");
    const e = await add("e", "north");
    const [third, fifth] = await Promise.all([man(stage, c), man(stage, e)]);
    const { pods, agents } = stage;
    return new Zones(
      { ...stage.nodes, c, d, e },
      {
        a: { pod: pods.a, agent: agents.a },
        b: { pod: pods.b, agent: agents.b },
        c: third,
        e: fifth,
      },
    );
  }

  /** Ends the agents that came with it. The nodes stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { c, e } = this.outposts;
    await Promise.all([c, e].map(({ agent }) => agent[Symbol.asyncDispose]()));
  }
}

async function man({ cluster }: Stage, node: TestNode): Promise<Outpost> {
  const pod = await node.makePod(`asker-${node.name}`);
  const agent = await TestAgent.start({ node, source: { controlPlane: cluster.controlPlane } });
  return { pod, agent };
}
