import type { Api } from "../controlplane/api.ts";
import type { TestNode } from "./node.ts";
import type { TestPod } from "./pod.ts";

export interface PodPort {
  /** What a Service's targetPort may refer to. */
  readonly name?: string;
  readonly port: number;
  /** Default TCP. */
  readonly protocol?: "TCP" | "UDP";
}

export interface ClusterPodSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PodPort[];
}

const graceSeconds = 30;

/** A pod that serves, together with the Pod object whose status tells so, as a kubelet would. */
export class ClusterPod {
  readonly pod: TestPod;
  readonly #api: Api;

  private constructor(api: Api, pod: TestPod) {
    this.#api = api;
    this.pod = pod;
  }

  get name(): string {
    return this.pod.name;
  }

  static async start(api: Api, node: TestNode, spec: ClusterPodSpec): Promise<ClusterPod> {
    const pod = await node.makePod(spec.name);
    await pod.serve({ tcp: portsOf(spec, "TCP"), udp: portsOf(spec, "UDP") });
    await api.createPod(
      spec.name,
      { nodeName: node.name, containers: [container(spec)] },
      { labels: { ...spec.labels } },
    );
    await api.patchPodStatus(spec.name, {
      phase: "Running",
      podIP: pod.ip4,
      podIPs: [{ ip: pod.ip4 }, { ip: pod.ip6 }],
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: new Date() }],
    });
    return new ClusterPod(api, pod);
  }

  async setReady(ready: boolean): Promise<void> {
    await this.#api.setPodReady(this.name, ready);
  }

  /** Deletes the object with a grace period: it is terminating from now on, and goes on serving. */
  async terminate(): Promise<void> {
    await this.#api.deletePod(this.name, graceSeconds);
  }

  /** Ends the server, then confirms the object's deletion. */
  async remove(): Promise<void> {
    await this.pod[Symbol.asyncDispose]();
    await this.#api.deletePod(this.name);
  }
}

const portsOf = ({ ports }: ClusterPodSpec, protocol: "TCP" | "UDP"): readonly number[] =>
  ports.filter((each) => (each.protocol ?? "TCP") === protocol).map((each) => each.port);

const container = ({ ports }: ClusterPodSpec) => ({
  name: "server",
  image: "podserver",
  ports: ports.map(({ name, port, protocol = "TCP" }) => ({
    ...(name !== undefined && { name }),
    containerPort: port,
    protocol,
  })),
});
