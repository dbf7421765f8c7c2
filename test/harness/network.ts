import { ownPrefix, removeMade, sweep } from "./leftovers.ts";
import { addresses, ip, makeNetns, netSettings } from "./netns.ts";
import { type NodeAddresses, TestNode } from "./node.ts";

const gateway4 = "172.30.255.254";
const gateway6 = "fd00:172:30::ffff";

const nodeAddresses = (index: number): NodeAddresses => ({
  mac: `02:00:00:00:01:${index.toString(16).padStart(2, "0")}`,
  ip4: `172.30.0.${index}`,
  ip6: `fd00:172:30::${index}`,
  podPrefix4: `10.244.${index}`,
  podPrefix6: `fd00:10:244:${index}`,
});

let networks = 0;

/**
 * Nodes joined by a bridge, all inside namespaces of their own: nothing is visible in the host's
 * network, so that several networks with the same addresses stand side by side. Node n has
 * 172.30.0.n and fd00:172:30::n, its pods are in 10.244.n.0/24 and fd00:10:244:n::/64, and any
 * node's pods reach any other's. Other destinations are refused as prohibited: to UDP at once, to
 * TCP after its first second.
 */
export class Network implements AsyncDisposable {
  readonly #prefix: string;
  readonly #fabric: string;
  readonly #nodes: TestNode[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
    this.#fabric = `${prefix}fabric`;
  }

  /** Needs root. Removes what crashed runs left behind first. */
  static async create(): Promise<Network> {
    if (process.getuid?.() !== 0) throw new Error("tests with nodes and pods need root");
    await sweep();
    const network = new Network(`${ownPrefix}${networks++}-`);
    await network.#makeFabric();
    return network;
  }

  async #makeFabric(): Promise<void> {
    await makeNetns(this.#fabric);
    // Every refusal is told: a limit would turn some of them into timeouts.
    await netSettings(this.#fabric, {
      "ipv4/ip_forward": 1,
      "ipv4/icmp_ratelimit": 0,
      "ipv6/conf/all/forwarding": 1,
      "ipv6/icmp/ratelimit": 0,
    });
    await ip(
      [
        "link add br0 address 02:00:00:00:00:fe type bridge mcast_snooping 0",
        ...addresses("br0", `${gateway4}/16`, `${gateway6}/64`),
        "route add prohibit 0.0.0.0/0",
        "route add prohibit ::/0",
      ],
      this.#fabric,
    );
  }

  get nodes(): readonly TestNode[] {
    return this.#nodes;
  }

  async makeNode(name: string): Promise<TestNode> {
    const index = this.#nodes.length + 1;
    const node = await TestNode.create(name, `${this.#prefix}${name}`, nodeAddresses(index));
    await this.#connect(node, `n${index}`);
    for (const other of this.#nodes) {
      await node.routeTo(other);
      await other.routeTo(node);
    }
    this.#nodes.push(node);
    return node;
  }

  async #connect(node: TestNode, port: string): Promise<void> {
    await ip(
      [
        `link add ${port} type veth peer name eth0 address ${node.mac} netns ${node.netns}`,
        `link set ${port} master br0 up`,
        `route add ${node.podCidr4} via ${node.ip4}`,
        `route add ${node.podCidr6} via ${node.ip6}`,
      ],
      this.#fabric,
    );
    await ip(
      [
        ...addresses("eth0", `${node.ip4}/16`, `${node.ip6}/64`),
        `route add default via ${gateway4}`,
        `route add ::/0 via ${gateway6}`,
      ],
      node.netns,
    );
  }

  /** Ends every process on the nodes and removes all that was made. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeMade((name) => name.startsWith(this.#prefix));
  }
}
