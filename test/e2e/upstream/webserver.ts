import type { V1Service } from "@kubernetes/client-node";
import type { TestAgent } from "../../harness/agent.ts";
import { ClusterPod } from "../../harness/cluster_pod.ts";
import type { Target } from "../../harness/load.ts";
import type { TestNode } from "../../harness/node.ts";
import { until } from "../../harness/until.ts";
import type { Stage } from "./stage.ts";

export interface WebserverOptions {
  /** Of the Service, beside its selector, its families and its one port. */
  readonly spec?: V1Service["spec"];
  /** Where the Service listens; default 80. */
  readonly port?: number;
  /** Where the pod listens; default 8080. */
  readonly targetPort?: number;
  /** Whether the pod has the node's network. Default false. */
  readonly hostNetwork?: boolean;
}

/** A TCP Service of both families and the one pod behind it, as most of upstream's tests begin. */
export class Webserver {
  readonly service: V1Service;
  readonly pod: ClusterPod;

  private constructor(service: V1Service, pod: ClusterPod) {
    this.service = service;
    this.pod = pod;
  }

  /** Service and pod have this name. Resolves once the controller knows the pod as ready. */
  static async start(
    { cluster: { api } }: Stage,
    node: TestNode,
    name: string,
    { spec, port = 80, targetPort = 8080, hostNetwork = false }: WebserverOptions = {},
  ): Promise<Webserver> {
    const service = await api.createService(name, {
      selector: { app: name },
      ports: [{ name: "http", protocol: "TCP", port, targetPort }],
      ipFamilyPolicy: "RequireDualStack",
      ...spec,
    });
    const pod = await ClusterPod.start(api, node, {
      name,
      labels: { app: name },
      ports: [{ port: targetPort }],
      hostNetwork,
    });
    await api.waitForReady(name, [pod.pod.ip4, pod.pod.ip6]);
    return new Webserver(service, pod);
  }

  get name(): string {
    return this.pod.name;
  }

  get #port() {
    const [port] = this.service.spec?.ports ?? [];
    if (port === undefined) throw new Error(`${this.name} has no port`);
    return port;
  }

  /** By its ClusterIPs. */
  get clusterIPs(): readonly Target[] {
    const addresses = this.service.spec?.clusterIPs ?? [];
    return addresses.map((address) => ({ protocol: "tcp", address, port: this.#port.port }));
  }

  /** By its NodePort at a node. */
  nodePortAt({ ip4, ip6 }: TestNode): readonly Target[] {
    const port = this.#port.nodePort;
    if (port === undefined) throw new Error(`${this.name} has no NodePort`);
    return [ip4, ip6].map((address) => ({ protocol: "tcp", address, port }));
  }

  /**
   * Deletes the pod, which goes on serving. Resolves once the agents lead to it as to one that
   * terminates.
   */
  async terminate(...agents: readonly TestAgent[]): Promise<void> {
    await this.pod.terminate();
    for (const agent of agents) {
      await until(async () => await this.#terminatesFor(agent), {
        deadlineMs: 20_000,
        describe: `${agent.node.name} to see ${this.name} terminate`,
      });
    }
  }

  async #terminatesFor(agent: TestAgent): Promise<boolean> {
    const ports = (await agent.services()).filter(({ name }) => name === this.name);
    const backends = ports.flatMap(({ cluster, local }) => [...cluster, ...local]);
    return ports.length === 2 && backends.length > 1 && backends.every((each) => each.terminating);
  }
}
