import type { Api } from "../controlplane/api.ts";
import { HostPod } from "./host_pod.ts";
import type { TestNode } from "./node.ts";
import type { TestPod } from "./pod.ts";

export interface PodPort {
  /** What a Service's targetPort may refer to. */
  readonly name?: string;
  readonly port: number;
  /** Default TCP. A server listens for TCP and UDP alone. */
  readonly protocol?: "TCP" | "UDP" | "SCTP";
}

export interface ClusterPodSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PodPort[];
  /** Whether it has the node's network and addresses. Default false. */
  readonly hostNetwork?: boolean;
  /** Whether it is ready from the start; it serves in any case. Default true. */
  readonly ready?: boolean;
  /** Whether the ports are those of an init container that goes on running. Default false. */
  readonly sidecar?: boolean;
}

const graceSeconds = 30;

/** A pod that serves, together with the Pod object whose status tells so, as a kubelet would. */
export class ClusterPod {
  readonly pod: TestPod | HostPod;
  readonly #api: Api;

  private constructor(api: Api, pod: TestPod | HostPod) {
    this.#api = api;
    this.pod = pod;
  }

  get name(): string {
    return this.pod.name;
  }

  static async start(api: Api, node: TestNode, spec: ClusterPodSpec): Promise<ClusterPod> {
    const pod = await (spec.hostNetwork
      ? HostPod.create(spec.name, node)
      : node.makePod(spec.name));
    const [tcp, udp] = [portsOf(spec, "TCP"), portsOf(spec, "UDP")];
    if (tcp.length + udp.length > 0) await pod.serve({ tcp, udp });
    await api.createPod(spec.name, podSpec(spec, node), { labels: { ...spec.labels } });
    const status = (spec.ready ?? true) ? "True" : "False";
    await api.patchPodStatus(spec.name, {
      phase: "Running",
      hostIP: node.ip4,
      podIP: pod.ip4,
      podIPs: [{ ip: pod.ip4 }, { ip: pod.ip6 }],
      conditions: [{ type: "Ready", status, lastTransitionTime: new Date() }],
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

function podSpec(spec: ClusterPodSpec, node: TestNode) {
  const { hostNetwork = false, sidecar = false } = spec;
  const server = { name: "server", image: "podserver", ports: containerPorts(spec) };
  return {
    nodeName: node.name,
    hostNetwork,
    ...(sidecar
      ? {
          initContainers: [{ ...server, restartPolicy: "Always" }],
          containers: [{ name: "main", image: "pause" }],
        }
      : { containers: [server] }),
  };
}

const containerPorts = ({ ports }: ClusterPodSpec) =>
  ports.map(({ name, port, protocol = "TCP" }) => ({
    ...(name !== undefined && { name }),
    containerPort: port,
    protocol,
  }));
