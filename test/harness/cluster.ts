import type { Api } from "../controlplane/api.ts";
import { ControlPlane, type ControlPlaneOptions } from "../controlplane/controlplane.ts";
import { Deployment, type DeploymentSpec } from "./deployment.ts";
import { Network } from "./network.ts";
import type { TestNode } from "./node.ts";

/** A real control plane and the nodes that it believes to have. */
export class Cluster implements AsyncDisposable {
  readonly controlPlane: ControlPlane;
  readonly network: Network;

  private constructor(controlPlane: ControlPlane, network: Network) {
    this.controlPlane = controlPlane;
    this.network = network;
  }

  /** Needs root. Takes some seconds. */
  static async start(options: ControlPlaneOptions = {}): Promise<Cluster> {
    const network = await Network.create();
    try {
      return new Cluster(await ControlPlane.start(options), network);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  get api(): Api {
    return this.controlPlane.api;
  }

  get nodes(): readonly TestNode[] {
    return this.network.nodes;
  }

  /** Makes a node and its Node object, ready and with both addresses and pod ranges. */
  async addNode(name: string, labels: Readonly<Record<string, string>> = {}): Promise<TestNode> {
    const node = await this.network.makeNode(name);
    await this.api.createNode({
      metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
      spec: { podCIDR: node.podCidr4, podCIDRs: [node.podCidr4, node.podCidr6] },
    });
    await this.api.patchNodeStatus(name, {
      addresses: [
        { type: "InternalIP", address: node.ip4 },
        { type: "InternalIP", address: node.ip6 },
        { type: "Hostname", address: name },
      ],
      allocatable: { cpu: "2" },
      conditions: [{ type: "Ready", status: "True" }],
    });
    return node;
  }

  /** Starts pods that serve, spread over the nodes, and their Pod objects, labelled app=NAME. */
  async deployment(name: string, spec: DeploymentSpec): Promise<Deployment> {
    if (this.nodes.length === 0) throw new Error("a deployment needs a node: addNode first");
    const deployment = new Deployment(name, spec, this.api, this.nodes);
    await deployment.scale(spec.replicas);
    return deployment;
  }

  /** Ends every process and removes all that was made. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    await this.controlPlane[Symbol.asyncDispose]();
  }
}
