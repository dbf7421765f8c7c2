import { join } from "node:path";
import { cgroupRoot, makeCgroup } from "./cgroup.ts";
import type { Child, Finished } from "./child.ts";
import { addresses, ip, makeNetns, netSettings } from "./netns.ts";
import { type Place, type ProcessOptions, runIn, startIn } from "./place.ts";
import { TestPod } from "./pod.ts";

export interface NodeAddresses {
  /** Of the uplink. */
  readonly mac: string;
  readonly ip4: string;
  readonly ip6: string;
  /** The /24 of its pods without the last octet. */
  readonly podPrefix4: string;
  /** The /64 of its pods without the "::". */
  readonly podPrefix6: string;
}

export interface NodeProcessOptions extends ProcessOptions {
  /** Whether the process is in the node's cgroup: its sockets are the node's. Default true. */
  readonly cgroup?: boolean;
  /** Whether it is in the node's network namespace. Default true. */
  readonly netns?: boolean;
}

const firstPodHost = 2;
const podHosts = 250;

/** A node: a network namespace that routes for its pods, and a cgroup that holds all processes. */
export class TestNode {
  readonly name: string;
  /** Name of the network namespace. */
  readonly netns: string;
  /** Path of the cgroup directory; programs attached to it see the node's and its pods' sockets. */
  readonly cgroup: string;
  readonly mac: string;
  readonly ip4: string;
  readonly ip6: string;
  readonly podCidr4: string;
  readonly podCidr6: string;
  readonly #addresses: NodeAddresses;
  #pods = 0;

  private constructor(name: string, netns: string, cgroup: string, own: NodeAddresses) {
    this.name = name;
    this.netns = netns;
    this.cgroup = cgroup;
    this.mac = own.mac;
    this.ip4 = own.ip4;
    this.ip6 = own.ip6;
    this.podCidr4 = `${own.podPrefix4}.0/24`;
    this.podCidr6 = `${own.podPrefix6}::/64`;
    this.#addresses = own;
  }

  /** `id` names the namespace and the cgroup. The uplink is the network's to add. */
  static async create(name: string, id: string, own: NodeAddresses): Promise<TestNode> {
    const cgroup = await makeCgroup(join(await cgroupRoot(), id));
    await makeNetns(id);
    await netSettings(id, { "ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1 });
    // The bridge's own address would follow its ports, and the pods' neighbour entries go stale.
    await ip(
      [
        "link add cni0 address 02:00:00:00:00:01 type bridge mcast_snooping 0",
        ...addresses("cni0", `${own.podPrefix4}.1/24`, `${own.podPrefix6}::1/64`),
      ],
      id,
    );
    return new TestNode(name, id, cgroup, own);
  }

  /** Neighbours are set by hand: finding an IPv6 one from softirq can take a second's retry. */
  async routeTo(other: TestNode): Promise<void> {
    await ip(
      [
        `neigh add ${other.ip4} lladdr ${other.mac} dev eth0`,
        `neigh add ${other.ip6} lladdr ${other.mac} dev eth0`,
        `route add ${other.podCidr4} via ${other.ip4}`,
        `route add ${other.podCidr6} via ${other.ip6}`,
      ],
      this.netns,
    );
  }

  /** Makes a pod's namespace. The node's addresses are used again only after 250 pods. */
  async makePod(name: string): Promise<TestPod> {
    const index = this.#pods++;
    const host = firstPodHost + (index % podHosts);
    return await TestPod.create({
      name,
      node: this,
      device: `p${index}`,
      ip4: `${this.#addresses.podPrefix4}.${host}`,
      ip6: `${this.#addresses.podPrefix6}::${host.toString(16)}`,
      gateway4: `${this.#addresses.podPrefix4}.1`,
      gateway6: `${this.#addresses.podPrefix6}::1`,
    });
  }

  #place({ cgroup = true, netns = true }: NodeProcessOptions): Place {
    return {
      cgroup: cgroup ? this.cgroup : undefined,
      netns: netns ? this.netns : undefined,
    };
  }

  /** Starts a process on the node, as one of the host network by default. */
  start(command: string, args: readonly string[], options: NodeProcessOptions = {}): Child {
    return startIn(this.#place(options), command, args, options);
  }

  /** Runs a process on the node to its end, whatever the exit code. */
  run(
    command: string,
    args: readonly string[],
    options: NodeProcessOptions = {},
  ): Promise<Finished> {
    return runIn(this.#place(options), command, args, options);
  }
}
