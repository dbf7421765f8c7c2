import type { V1Service, V1ServicePort, V1ServiceSpec } from "@kubernetes/client-node";
import { onTestFinished } from "vitest";
import type { Deployment, DeploymentSpec } from "../../harness/deployment.ts";
import type { Target } from "../../harness/load.ts";
import type { TestNode } from "../../harness/node.ts";
import { until } from "../../harness/until.ts";
import type { Stage } from "./stage.ts";

/** Where pods listen. */
export const targetPort = 8080;

/** Where a Service listens, unless a test says otherwise. */
export const tcp = { name: "tcp", protocol: "TCP", port: 80, targetPort } as const;
export const udp = { name: "udp", protocol: "UDP", port: 80, targetPort } as const;

const podPorts = [{ port: targetPort }, { port: targetPort, protocol: "UDP" }] as const;

export type SubjectPods = Partial<DeploymentSpec>;

/**
 * The Service that a test is about and the pods behind it, labelled app=NAME: one pod on the first
 * node, unless the test says otherwise. The Service has both families and one TCP port, likewise.
 */
export class Subject implements AsyncDisposable {
  readonly name: string;
  readonly pods: Deployment;
  readonly #stage: Stage;
  #service: V1Service;

  private constructor(stage: Stage, name: string, service: V1Service, pods: Deployment) {
    this.name = name;
    this.pods = pods;
    this.#stage = stage;
    this.#service = service;
  }

  /** Makes one that goes when the running test is over. */
  static async forTest(...parts: Parameters<typeof Subject.create>): Promise<Subject> {
    const subject = await Subject.create(...parts);
    onTestFinished(() => subject[Symbol.asyncDispose]());
    return subject;
  }

  static async create(
    stage: Stage,
    name: string,
    spec: V1ServiceSpec = {},
    pods: SubjectPods = {},
  ): Promise<Subject> {
    const { api } = stage.cluster;
    const [service, deployment] = await Promise.all([
      api.createService(name, {
        selector: { app: name },
        ports: [tcp],
        ipFamilyPolicy: "RequireDualStack",
        ...spec,
      }),
      stage.cluster.deployment(name, {
        replicas: 1,
        ports: podPorts,
        nodes: [stage.nodes.a, stage.nodes.b],
        ...pods,
      }),
    ]);
    return new Subject(stage, name, service, deployment);
  }

  /** As the API server last answered. */
  get spec(): V1ServiceSpec {
    return this.#service.spec ?? {};
  }

  get podNames(): readonly string[] {
    return this.pods.pods.map(({ name }) => name);
  }

  port(index = 0): V1ServicePort {
    const port = this.spec.ports?.[index];
    if (port === undefined) throw new Error(`${this.name} has no port ${index}`);
    return port;
  }

  /** Changes the Service by a merge patch of its spec. */
  async update(spec: object): Promise<void> {
    this.#service = await this.#stage.cluster.api.patchService(this.name, { spec });
  }

  /** The ways to its port at these addresses, by default at its ClusterIPs. */
  ways(index = 0, addresses: readonly string[] = this.spec.clusterIPs ?? []): readonly Target[] {
    const { port, protocol } = this.port(index);
    return targets(addresses, port, protocol);
  }

  /** The ways to its NodePort at a node's addresses, of its own families. */
  nodePortWays(node: TestNode, index = 0): readonly Target[] {
    const { nodePort, protocol } = this.port(index);
    if (nodePort === undefined) throw new Error(`${this.name} has no NodePort`);
    const addresses = (this.spec.ipFamilies ?? []).map((family) =>
      family === "IPv6" ? node.ip6 : node.ip4,
    );
    return targets(addresses, nodePort, protocol);
  }

  /**
   * Resolves once both agents serve its NodePort. A node tells a few datagrams a second that it does
   * not, and the others wait for their timeout.
   */
  async hasNodePort(index = 0): Promise<void> {
    const { nodePort } = this.port(index);
    for (const agent of Object.values(this.#stage.agents)) {
      const isServed = async () =>
        (await agent.services()).some(
          ({ name, frontends }) =>
            name === this.name && frontends.some(({ port }) => port === nodePort),
        );
      await until(isServed, {
        deadlineMs: 20_000,
        describe: `${agent.node.name} to serve ${this.name} at ${nodePort}`,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { api } = this.#stage.cluster;
    await Promise.all([api.deleteService(this.name).catch(unlessGone), this.pods.remove()]);
  }
}

const targets = (
  addresses: readonly string[],
  port: number,
  protocol: string | undefined,
): readonly Target[] =>
  addresses.map((address) => ({ protocol: protocol === "UDP" ? "udp" : "tcp", address, port }));

/** For what a test may have deleted itself. */
export function unlessGone(error: unknown): void {
  if ((error as { code?: unknown }).code !== 404) throw error;
}
