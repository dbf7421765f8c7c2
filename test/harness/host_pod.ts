import { join } from "node:path";
import { makeCgroup, removeCgroup } from "./cgroup.ts";
import type { Child, Finished } from "./child.ts";
import { type ProcessOptions, runIn, startIn } from "./place.ts";
import type { PodHost } from "./pod.ts";
import { type ServeOptions, type ServerPorts, serve } from "./serve.ts";

/** Of a node, what a pod of its network shares. */
export type SharedHost = PodHost & { readonly ip4: string; readonly ip6: string };

/** A pod with hostNetwork: the node's addresses, and a cgroup of its own below the node's. */
export class HostPod implements AsyncDisposable {
  readonly name: string;
  readonly node: PodHost;
  readonly netns: string;
  readonly cgroup: string;
  readonly ip4: string;
  readonly ip6: string;

  private constructor(name: string, node: SharedHost) {
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

  start(command: string, args: readonly string[], options: ProcessOptions = {}): Child {
    return startIn(this, command, args, options);
  }

  /** Runs a process in the pod to its end, whatever the exit code. */
  run(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
    return runIn(this, command, args, options);
  }

  /** As `TestPod` serves; the ports are the node's. */
  serve(ports: ServerPorts, options: ServeOptions = {}): Promise<Child> {
    return serve(this, ports, options);
  }

  /** Ends the pod's processes. Its name may be used again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeCgroup(this.cgroup);
  }
}
