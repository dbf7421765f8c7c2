import type { Api } from "../controlplane/api.ts";
import { ClusterPod, type ClusterPodSpec, type PodPort } from "./cluster_pod.ts";
import type { TestNode } from "./node.ts";

export interface DeploymentSpec extends Pick<ClusterPodSpec, "hostNetwork" | "ready"> {
  readonly replicas: number;
  readonly ports: readonly PodPort[];
  /** Labels besides app=NAME. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Where its pods run, in turn; default all nodes of the cluster. */
  readonly nodes?: readonly TestNode[];
}

/** Like a Deployment with an even spread: pods NAME-0, NAME-1, ...; no name is used twice. */
export class Deployment {
  readonly name: string;
  readonly #spec: DeploymentSpec;
  readonly #api: Api;
  readonly #nodes: readonly TestNode[];
  #pods: readonly ClusterPod[] = [];
  #made = 0;

  constructor(name: string, spec: DeploymentSpec, api: Api, nodes: readonly TestNode[]) {
    this.name = name;
    this.#spec = spec;
    this.#api = api;
    this.#nodes = spec.nodes ?? nodes;
  }

  /** Oldest first. */
  get pods(): readonly ClusterPod[] {
    return this.#pods;
  }

  #startPod(): Promise<ClusterPod> {
    const index = this.#made++;
    const node = this.#nodes[index % this.#nodes.length];
    if (node === undefined) throw new Error(`${this.name}: no node to run on`);
    return ClusterPod.start(this.#api, node, {
      ...this.#spec,
      name: `${this.name}-${index}`,
      labels: { app: this.name, ...this.#spec.labels },
    });
  }

  async #grow(count: number): Promise<void> {
    const started = await Promise.all(Array.from({ length: count }, () => this.#startPod()));
    this.#pods = [...this.#pods, ...started];
  }

  /**
   * Adds ready pods, or takes the oldest away as a rolling update would: they become terminating,
   * and go on serving until `drained` resolves (default: at once); then their servers end and the
   * objects go.
   */
  async scale(replicas: number, drained: () => Promise<unknown> = async () => {}): Promise<void> {
    const more = replicas - this.#pods.length;
    if (more > 0) await this.#grow(more);
    else if (more < 0) await this.#shrink(-more, drained);
  }

  async #shrink(count: number, drained: () => Promise<unknown>): Promise<void> {
    const leaving = this.#pods.slice(0, count);
    this.#pods = this.#pods.slice(count);
    await Promise.all(leaving.map((pod) => pod.terminate()));
    await drained();
    await Promise.all(leaving.map((pod) => pod.remove()));
  }

  async remove(drained?: () => Promise<unknown>): Promise<void> {
    await this.scale(0, drained);
  }
}
