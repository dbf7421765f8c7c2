import { type ClientPlace, TestClient } from "./client.ts";
import { command } from "./command.ts";
import { ownPrefix, removeMade, sweep } from "./leftovers.ts";
import { addresses, ip, makeNetns, netnsPath, netSettings } from "./netns.ts";
import { gateway4, gateway6, type NodeAddresses, type NodeOptions, TestNode } from "./node.ts";

/** Of a narrow link: as little as IPv6 allows. */
export const narrowMtu = 1280;

const fabricMac = "02:00:00:00:00:fe";

const nodeAddresses = (index: number): NodeAddresses => ({
  mac: `02:00:00:00:01:${index.toString(16).padStart(2, "0")}`,
  ip4: `172.30.0.${index}`,
  ip6: `fd00:172:30::${index}`,
  podPrefix4: `10.244.${index}`,
  podPrefix6: `fd00:10:244:${index}`,
});

const clientPlace = (index: number): ClientPlace => ({
  prefix4: `192.168.${index}`,
  prefix6: `fd00:192:168:${index}`,
  uplink4: `192.168.${100 + index}`,
  uplink6: `fd00:192:168:${100 + index}`,
});

let networks = 0;

/**
 * Nodes joined by a bridge, all inside namespaces of their own: nothing is visible in the host's
 * network, so that several networks with the same addresses stand side by side. Node n has
 * 172.30.0.n and fd00:172:30::n, its pods are in 10.244.n.0/24 and fd00:10:244:n::/64, and any
 * node's pods reach any other's. Clients outside are behind the router that the nodes have as their
 * gateway: client n has 192.168.n.2 and fd00:192:168:n::2. Other destinations are refused as
 * prohibited: to UDP at once, to TCP after its first second.
 */
export class Network implements AsyncDisposable {
  readonly #prefix: string;
  readonly #fabric: string;
  readonly #nodes: TestNode[] = [];
  readonly #clients: TestClient[] = [];

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
      "ipv4/icmp_ratemask": 0,
      "ipv6/conf/all/forwarding": 1,
      // Of echo requests alone.
      "ipv6/icmp/ratemask": 128,
    });
    await ip(
      [
        `link add br0 address ${fabricMac} type bridge mcast_snooping 0`,
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

  async makeNode(name: string, options: NodeOptions = {}): Promise<TestNode> {
    const index = this.#nodes.length + 1;
    const id = `${this.#prefix}${name}`;
    const node = await TestNode.create(name, id, nodeAddresses(index), options);
    await this.#connect(node, `n${index}`);
    for (const other of this.#nodes) {
      await node.routeTo(other);
      await other.routeTo(node);
    }
    this.#nodes.push(node);
    return node;
  }

  async #connect(node: TestNode, port: string): Promise<void> {
    const isNarrow = node.reach === "narrow";
    await ip(
      [
        `link add ${port} type veth peer name eth0 address ${node.mac} netns ${node.netns}`,
        ...(isNarrow ? this.#narrowPort(node, port) : [`link set ${port} master br0 up`]),
        ...(node.reach === "overlay" ? [] : podRoutes(node)),
      ],
      this.#fabric,
    );
    const [length4, length6] = isNarrow ? [32, 128] : [16, 64];
    await ip(
      [
        ...(isNarrow ? [`link set eth0 mtu ${narrowMtu}`] : []),
        ...addresses("eth0", `${node.ip4}/${length4}`, `${node.ip6}/${length6}`),
        `route add default via ${gateway4} dev eth0 onlink`,
        `route add ::/0 via ${gateway6} dev eth0 onlink`,
      ],
      node.netns,
    );
  }

  /** A port of its own on the router, which has the gateway's addresses there too. */
  #narrowPort(node: TestNode, port: string): readonly string[] {
    return [
      `link set ${port} mtu ${narrowMtu}`,
      ...addresses(port, `${gateway4}/32`, `${gateway6}/128`),
      `route add ${node.ip4} dev ${port}`,
      `route add ${node.ip6} dev ${port}`,
    ];
  }

  /**
   * Makes a client outside. With a narrow way, its packets of more than 1,280 bytes and those to it
   * are told to be too big by a router in between, which the client's own device does not show.
   */
  async makeClient(name: string, { narrow = false } = {}): Promise<TestClient> {
    const index = this.#clients.length + 1;
    const mtu = narrow ? narrowMtu : undefined;
    const id = `${this.#prefix}${name}`;
    const client = await TestClient.create(name, id, clientPlace(index), this.#fabric, mtu);
    this.#clients.push(client);
    return client;
  }

  /** Leads an address or a range to a node, as an announcement of it would; replaces the one before. */
  async routeTo(range: string, node: TestNode): Promise<void> {
    const gateway = range.includes(":") ? node.ip6 : node.ip4;
    await ip([`route replace ${range} via ${gateway}`], this.#fabric);
  }

  /**
   * Refuses as prohibited what nodes send to these ranges, whatever they are led to for others: by a
   * rule of netfilter, since the kernel tells of routes that prohibit only now and then.
   */
  async refuseFromNodes(ranges: readonly string[]): Promise<void> {
    const rules = ranges.map((range) => {
      const family = range.includes(":") ? "ip6" : "ip";
      // By the address of the link: netfilter may see what the bridge only passes on.
      return `iifname br0 ether daddr ${fabricMac} ${family} daddr ${range} reject with icmpx admin-prohibited`;
    });
    const hook = "type filter hook forward priority 0;";
    const input = `table inet fabric { chain forward { ${hook}\n${rules.join("\n")}\n}\n}\n`;
    await command("nsenter", [`--net=${netnsPath(this.#fabric)}`, "nft", "-f", "-"], { input });
  }

  /** Ends every process on the nodes and removes all that was made. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeMade((name) => name.startsWith(this.#prefix));
  }
}

const podRoutes = (node: TestNode): readonly string[] => [
  `route add ${node.podCidr4} via ${node.ip4}`,
  `route add ${node.podCidr6} via ${node.ip6}`,
];
