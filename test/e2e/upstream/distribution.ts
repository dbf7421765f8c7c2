import type { V1ServiceSpec } from "@kubernetes/client-node";
import { onTestFinished } from "vitest";
import type { Deployment } from "../../harness/deployment.ts";
import { reaches } from "../reach.ts";
import type { Stage } from "./stage.ts";
import { Subject } from "./subject.ts";
import type { Asker, NodeName, Zones } from "./zones.ts";

/** By the node of the pod that asks: the nodes whose pods answer it; none refuses. */
export type Expected = Readonly<Partial<Record<Asker, readonly NodeName[]>>>;

/** A Service of both families, and one pod of it on some nodes. */
export class Distribution {
  readonly subject: Subject;
  readonly #stage: Stage;
  readonly #zones: Zones;
  readonly #pods = new Map<NodeName, Deployment>();
  #made = 0;

  private constructor(stage: Stage, zones: Zones, subject: Subject) {
    this.#stage = stage;
    this.#zones = zones;
    this.subject = subject;
  }

  /** It goes when the running test is over. */
  static async forTest(
    stage: Stage,
    zones: Zones,
    name: string,
    { spec, on }: { readonly spec: V1ServiceSpec; readonly on: readonly NodeName[] },
  ): Promise<Distribution> {
    const subject = await Subject.forTest(stage, name, spec, { replicas: 0 });
    const distribution = new Distribution(stage, zones, subject);
    onTestFinished(() => distribution.#remove());
    await Promise.all(on.map((node) => distribution.gain(node)));
    return distribution;
  }

  /** Starts a pod on a node. */
  async gain(node: NodeName): Promise<void> {
    const { name } = this.subject;
    const pods = await this.#stage.cluster.deployment(`${name}-${node}-${this.#made++}`, {
      replicas: 1,
      labels: { app: name },
      ports: [{ port: 8080 }],
      nodes: [this.#zones.nodes[node]],
    });
    this.#pods.set(node, pods);
  }

  /** Deletes a node's pod, which serves until those who ask are answered as expected. */
  async lose(node: NodeName, expected: Expected): Promise<void> {
    const pods = this.#pods.get(node);
    this.#pods.delete(node);
    await pods?.remove(() => this.leads(expected));
  }

  /** Resolves once every pod that asks the ClusterIPs is answered by these, and by no others. */
  async leads(expected: Expected): Promise<void> {
    const askers = Object.entries(expected) as readonly [Asker, readonly NodeName[]][];
    await Promise.all(
      askers.map(([asker, nodes]) => {
        const { pod } = this.#zones.outposts[asker];
        return reaches(pod, this.subject.ways(), ...this.#answersOf(nodes));
      }),
    );
  }

  /** The same for the client outside, by the NodePort of a node. */
  async leadsOutside(by: NodeName, nodes: readonly NodeName[]): Promise<void> {
    const ways = this.subject.nodePortWays(this.#zones.nodes[by]);
    await reaches(this.#stage.outside, ways, ...this.#answersOf(nodes));
  }

  #answersOf(nodes: readonly NodeName[]): readonly string[] {
    if (nodes.length === 0) return ["ECONNREFUSED"];
    return nodes.flatMap((node) => this.#pods.get(node)?.pods.map(({ name }) => name) ?? []);
  }

  async #remove(): Promise<void> {
    await Promise.all([...this.#pods.values()].map((pods) => pods.remove()));
  }
}
