import { onTestFinished } from "vitest";
import { ClusterPod } from "../../harness/cluster_pod.ts";
import type { TestNode } from "../../harness/node.ts";
import type { Stage } from "./stage.ts";
import { tcp, udp } from "./subject.ts";

/** As often as upstream. */
const rollouts = 5;

/** One pod on each node, as a DaemonSet has it. */
export class Daemons {
  readonly name: string;
  readonly #stage: Stage;
  readonly #pods = new Map<TestNode, ClusterPod>();
  #made = 0;

  private constructor(stage: Stage, name: string) {
    this.#stage = stage;
    this.name = name;
  }

  /** For Services that select app=NAME. They go when the running test is over. */
  static async start(stage: Stage, name: string): Promise<Daemons> {
    const daemons = new Daemons(stage, name);
    onTestFinished(() => daemons.#remove());
    for (const node of Object.values(stage.nodes)) await daemons.#start(node);
    return daemons;
  }

  /** Those that are not terminating. */
  get names(): readonly string[] {
    return [...this.#pods.values()].map(({ name }) => name);
  }

  /**
   * Replaces pod by pod, five times over. A pod terminates, and serves until `drained` resolves; the
   * one in its place starts when it has ended, and the next one's turn comes when `joined` resolves.
   */
  async roll(
    drained: (node: TestNode) => Promise<void>,
    joined: () => Promise<void>,
  ): Promise<void> {
    for (let rollout = 0; rollout < rollouts; rollout++) {
      for (const [node, pod] of [...this.#pods]) {
        this.#pods.delete(node);
        await pod.terminate();
        await drained(node);
        await pod.remove();
        await this.#start(node);
        await joined();
      }
    }
  }

  async #start(node: TestNode): Promise<void> {
    const pod = await ClusterPod.start(this.#stage.cluster.api, node, {
      name: `${this.name}-${this.#made++}`,
      labels: { app: this.name },
      ports: [{ port: tcp.targetPort }, { port: udp.targetPort, protocol: "UDP" }],
    });
    this.#pods.set(node, pod);
  }

  async #remove(): Promise<void> {
    await Promise.all([...this.#pods.values()].map((pod) => pod.remove()));
  }
}
