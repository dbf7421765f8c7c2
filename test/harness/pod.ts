import { join } from "node:path";
import { makeCgroup, removeCgroup } from "./cgroup.ts";
import type { Child, Finished } from "./child.ts";
import { addresses, deleteNetns, ip, makeNetns } from "./netns.ts";
import { type ProcessOptions, runIn, startIn } from "./place.ts";
import { program } from "./programs.ts";

/** What a pod needs to know of its node. */
export interface PodHost {
  readonly name: string;
  readonly netns: string;
  readonly cgroup: string;
}

export interface PodSpec {
  readonly name: string;
  readonly node: PodHost;
  /** Name of the node's end of the veth pair. */
  readonly device: string;
  readonly ip4: string;
  readonly ip6: string;
  readonly gateway4: string;
  readonly gateway6: string;
}

export interface ServerPorts {
  readonly tcp?: readonly number[];
  readonly udp?: readonly number[];
}

export interface ServeOptions {
  /** Prints one JSON line per client to the server's standard output. Default false. */
  readonly log?: boolean;
}

/** A pod: a network namespace behind a veth pair, and a cgroup below its node's. */
export class TestPod implements AsyncDisposable {
  readonly name: string;
  readonly node: PodHost;
  readonly netns: string;
  readonly cgroup: string;
  readonly ip4: string;
  readonly ip6: string;

  private constructor(spec: PodSpec) {
    this.name = spec.name;
    this.node = spec.node;
    this.netns = `${spec.node.netns}-${spec.name}`;
    this.cgroup = join(spec.node.cgroup, spec.name);
    this.ip4 = spec.ip4;
    this.ip6 = spec.ip6;
  }

  static async create(spec: PodSpec): Promise<TestPod> {
    const pod = new TestPod(spec);
    await makeCgroup(pod.cgroup);
    await makeNetns(pod.netns);
    await ip(
      [
        `link add ${spec.device} type veth peer name eth0 netns ${pod.netns}`,
        `link set ${spec.device} master cni0 up`,
      ],
      spec.node.netns,
    );
    await ip(
      [
        ...addresses("eth0", `${spec.ip4}/24`, `${spec.ip6}/64`),
        `route add default via ${spec.gateway4}`,
        `route add ::/0 via ${spec.gateway6}`,
      ],
      pod.netns,
    );
    return pod;
  }

  start(command: string, args: readonly string[], options: ProcessOptions = {}): Child {
    return startIn(this, command, args, options);
  }

  /** Runs a process in the pod to its end, whatever the exit code. */
  run(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
    return runIn(this, command, args, options);
  }

  /**
   * Starts a server that answers with the pod's name and the client's address, and then echoes.
   * Resolves once it listens.
   */
  async serve(ports: ServerPorts, { log = false }: ServeOptions = {}): Promise<Child> {
    const tcp = (ports.tcp ?? []).map((port) => `tcp:${port}`);
    const udp = (ports.udp ?? []).map((port) => `udp:${port}`);
    const flags = log ? ["--log"] : [];
    const server = this.start(await program("podserver"), [this.name, ...flags, ...tcp, ...udp]);
    await server.printed("ready\n");
    return server;
  }

  /** Ends the pod's processes and removes its namespace. Its name may be used again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeCgroup(this.cgroup);
    await deleteNetns(this.netns);
  }
}
