import { join } from "node:path";
import { makeCgroup, removeCgroup } from "./cgroup.ts";
import type { PodHost } from "./pod.ts";
import { PodPlace } from "./pod_place.ts";

/** Of a node, what a pod of its network shares. */
export type SharedHost = PodHost & { readonly ip4: string; readonly ip6: string };

/** A pod with hostNetwork: the node's addresses, and a cgroup of its own below the node's. */
export class HostPod extends PodPlace implements AsyncDisposable {
  readonly name: string;
  readonly node: PodHost;
  readonly netns: string;
  readonly cgroup: string;
  readonly ip4: string;
  readonly ip6: string;

  private constructor(name: string, node: SharedHost) {
    super();
    this.name = name;
    this.node = node;
    this.netns = node.netns;
    this.cgroup = join(node.cgroup, name);
    this.ip4 = node.ip4;
    this.ip6 = node.ip6;
  }

  static async create(name: string, node: SharedHost): Promise<HostPod> {
    const pod = new HostPod(name, node);
    await makeCgroup(pod.cgroup);
    return pod;
  }

  /** Ends the pod's processes. Its name may be used again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeCgroup(this.cgroup);
  }
}
