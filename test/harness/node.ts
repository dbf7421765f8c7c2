import { join } from "node:path";
import { cgroupRoot, makeCgroup } from "./cgroup.ts";
import type { Child, Finished } from "./child.ts";
import { addresses, ip, makeNetns, netSettings } from "./netns.ts";
import { joinOverlay, type OverlayEnd, overlayRoutes } from "./overlay.ts";
import { type Place, type ProcessOptions, runIn, startIn } from "./place.ts";
import { type PodLink, TestPod } from "./pod.ts";

/** The router that all nodes have as their gateway. */
export const gateway4 = "172.30.255.254";
export const gateway6 = "fd00:172:30::ffff";

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

export interface NodeOptions {
  /**
   * How other nodes reach its pods: routed over the LAN that all nodes share (default); through
   * VXLAN on that LAN; or routed, and the node itself behind a link of 1,280 bytes.
   */
  readonly reach?: "lan" | "overlay" | "narrow";
  /** How its pods are joined to it: by a bridge (default), or each by a route of its own. */
  readonly podLink?: PodLink;
}

export interface MakePodOptions {
  /** Whether its sockets are out of the node's cgroup, as those of a sandbox are. Default false. */
  readonly sandboxed?: boolean;
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
  readonly reach: "lan" | "overlay" | "narrow";
  readonly #addresses: NodeAddresses;
  readonly #podLink: PodLink;
  #pods = 0;
  #overlay: Promise<void> | undefined;

  private constructor(
    name: string,
    netns: string,
    cgroup: string,
    own: NodeAddresses,
    { reach = "lan", podLink = "bridge" }: NodeOptions,
  ) {
    this.name = name;
    this.netns = netns;
    this.cgroup = cgroup;
    this.mac = own.mac;
    this.ip4 = own.ip4;
    this.ip6 = own.ip6;
    this.podCidr4 = `${own.podPrefix4}.0/24`;
    this.podCidr6 = `${own.podPrefix6}::/64`;
    this.reach = reach;
    this.#addresses = own;
    this.#podLink = podLink;
  }

  /** `id` names the namespace and the cgroup. The uplink is the network's to add. */
  static async create(
    name: string,
    id: string,
    own: NodeAddresses,
    options: NodeOptions = {},
  ): Promise<TestNode> {
    const cgroup = await makeCgroup(join(await cgroupRoot(), id));
    await makeNetns(id);
    await netSettings(id, { "ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1 });
    const node = new TestNode(name, id, cgroup, own, options);
    if (node.#podLink === "bridge") await makeBridge(id, own);
    return node;
  }

  /** Leads to another node and its pods; only a narrow node gets no way to pods in an overlay. */
  async routeTo(other: TestNode): Promise<void> {
    const onLan = this.reach !== "narrow" && other.reach !== "narrow";
    await ip(onLan ? lanRoutes(other) : routerRoutes(other), this.netns);
    const overlaid = this.reach === "overlay" || other.reach === "overlay";
    // Below 1,280 bytes there is no IPv6: nothing can be overlaid on a narrow link.
    if (overlaid && onLan) await this.#routeThroughOverlay(other);
    if (!overlaid)
      await ip(podRoutes(other, onLan ? other : { ip4: gateway4, ip6: gateway6 }), this.netns);
  }

  async #routeThroughOverlay(other: TestNode): Promise<void> {
    this.#overlay ??= joinOverlay(this.overlayEnd);
    await this.#overlay;
    await overlayRoutes(this.overlayEnd, other.overlayEnd);
  }

  /** This node's end of the overlay, should there be one. */
  get overlayEnd(): OverlayEnd {
    const { netns, ip4, podCidr4, podCidr6 } = this;
    const mac = this.mac.replace(":01:", ":02:");
    const { podPrefix4, podPrefix6 } = this.#addresses;
    const inner = { inner4: `${podPrefix4}.0`, inner6: `${podPrefix6}::` };
    return { netns, ip4, mac, ...inner, podCidr4, podCidr6 };
  }

  /** Makes a pod's namespace. The node's addresses are used again only after 250 pods. */
  async makePod(name: string, { sandboxed = false }: MakePodOptions = {}): Promise<TestPod> {
    const index = this.#pods++;
    const host = firstPodHost + (index % podHosts);
    return await TestPod.create({
      name,
      node: this,
      device: `p${index}`,
      link: this.#podLink,
      sandboxed,
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

/** The bridge's own address would follow its ports, and the pods' neighbour entries go stale. */
const makeBridge = (netns: string, own: NodeAddresses): Promise<void> =>
  ip(
    [
      "link add cni0 address 02:00:00:00:00:01 type bridge mcast_snooping 0",
      ...addresses("cni0", `${own.podPrefix4}.1/24`, `${own.podPrefix6}::1/64`),
    ],
    netns,
  );

/** Neighbours are set by hand: finding an IPv6 one from softirq can take a second's retry. */
const lanRoutes = ({ ip4, ip6, mac }: TestNode): readonly string[] => [
  `neigh add ${ip4} lladdr ${mac} dev eth0`,
  `neigh add ${ip6} lladdr ${mac} dev eth0`,
];

const routerRoutes = ({ ip4, ip6 }: TestNode): readonly string[] => [
  `route add ${ip4} via ${gateway4} dev eth0 onlink`,
  `route add ${ip6} via ${gateway6} dev eth0 onlink`,
];

const podRoutes = (
  { podCidr4, podCidr6 }: TestNode,
  by: { readonly ip4: string; readonly ip6: string },
): readonly string[] => [
  `route add ${podCidr4} via ${by.ip4} dev eth0 onlink`,
  `route add ${podCidr6} via ${by.ip6} dev eth0 onlink`,
];
