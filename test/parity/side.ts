import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TestAgent } from "../harness/agent.ts";
import type { Child } from "../harness/child.ts";
import { type KubeProxyMode, startKubeProxy } from "../harness/kube_proxy.ts";
import { ip, netSettings } from "../harness/netns.ts";
import { Network } from "../harness/network.ts";
import type { TestNode } from "../harness/node.ts";
import { serve } from "../harness/serve.ts";
import { type ApiObjects, ReplaceableApi } from "./api.ts";
import {
  type Addressed,
  type Backends,
  nodeObject,
  Place,
  serviceCidrObject,
  serviceObject,
  serviceRanges,
  sliceObjects,
} from "./objects.ts";
import { type Answer, answersSoon, ask, type Probe } from "./probe.ts";
import { families, type NodeCase } from "./scenario.ts";

export type ProxyName = "kube-proxy" | "sluice";

/**
 * Where clients are: a pod of the node; one that bypasses sockets; the node's host network; a pod of
 * another node; a machine outside.
 */
export const positions = ["pod", "bypass", "node", "remote", "outside"] as const;
export type Position = (typeof positions)[number];

interface Site extends Addressed {
  start(command: string, args: readonly string[]): Child;
}

/** Where every backend listens. */
const serverPorts = { tcp: [8080, 9090], udp: [8080, 9090] } as const;
const API_PORT = 6443;
const MARKER = 16;
const MARKER_PORTS = 20_000;
const CONVERGE_MS = 30_000;

/** An address of the node that is not its InternalIP. */
export const otherNodeAddress: Addressed = { ip4: "172.30.7.1", ip6: "fd00:172:30::7:1" };

/** How both proxies are set up; what is left out is as the bench has it. */
export interface SideOptions {
  /** CIDRs of the addresses at which NodePorts answer; default the primary ones. */
  readonly nodePortAddresses?: readonly string[];
  /** Whether sluice serves ClusterIPs to clients outside, as kube-proxy always does; default true. */
  readonly clusterIpFromOutside?: boolean;
  /** Of kube-proxy; default nftables. */
  readonly mode?: KubeProxyMode;
  /** Whether sluice's packets may skip the stack; default auto: they do, as nothing stands there. */
  readonly fastPath?: "auto" | "off";
}

/** A node with one of the two proxies, and all that is around it: the same for both, by addresses too. */
export class Side implements AsyncDisposable {
  readonly name: ProxyName;
  readonly folder: string;
  readonly network: Network;
  readonly node: TestNode;
  readonly backends: Backends;
  readonly sites: Readonly<Record<Position, Site>>;
  readonly #api = new ReplaceableApi();
  #agent: TestAgent | undefined;
  #proxy: Child | undefined;
  #startProxy: () => Promise<Child> = () => Promise.reject(new Error("there is no kube-proxy"));
  #generation = 0;

  private constructor(
    name: ProxyName,
    folder: string,
    network: Network,
    node: TestNode,
    backends: Backends,
    sites: Readonly<Record<Position, Site>>,
  ) {
    this.name = name;
    this.folder = folder;
    this.network = network;
    this.node = node;
    this.backends = backends;
    this.sites = sites;
  }

  /** `folder` must be the side's own. */
  static async start(name: ProxyName, folder: string, options: SideOptions = {}): Promise<Side> {
    const network = await Network.create();
    try {
      const side = await Side.#build(name, folder, network);
      await side.#start(options);
      return side;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  static async #build(name: ProxyName, folder: string, network: Network): Promise<Side> {
    const a = await network.makeNode("a", { podLink: "routes" });
    const b = await network.makeNode("b", { podLink: "routes" });
    await network.refuseFromNodes(serviceRanges);
    for (const range of serviceRanges) {
      await network.routeTo(range, a);
      const gateway = range.includes(":") ? a.ip6 : a.ip4;
      await ip([`route add ${range} via ${gateway}`], b.netns);
    }
    await ip(
      [
        `addr add ${otherNodeAddress.ip4}/16 dev eth0`,
        // Never a source: the node has one address in each family.
        `addr add ${otherNodeAddress.ip6}/64 dev eth0 nodad preferred_lft 0`,
      ],
      a.netns,
    );
    const pods = {
      "a-0": await a.makePod("a-0"),
      "a-1": await a.makePod("a-1"),
      bypass: await a.makePod("bypass", { sandboxed: true }),
      "b-0": await b.makePod("b-0"),
      "b-1": await b.makePod("b-1"),
    };
    for (const pod of Object.values(pods)) await pod.serve(serverPorts);
    const hosts = { "host-a": a, "host-b": b };
    for (const [host, { start }] of Object.entries(hosts)) {
      const node = hosts[host as keyof typeof hosts];
      await serve({ name: host, start: start.bind(node) }, serverPorts);
    }
    const remote = await b.makePod("remote");
    // Every refusal is told: a limit would turn some of them into timeouts. (128: of echo requests.)
    for (const { netns } of [a, b, ...Object.values(pods)]) {
      await netSettings(netns, { "ipv4/icmp_ratemask": 0, "ipv6/icmp/ratemask": 128 });
    }
    const outside = await network.makeClient("outside");
    const sites = { pod: pods["a-0"], bypass: pods.bypass, node: a, remote, outside };
    return new Side(name, folder, network, a, { ...pods, ...hosts }, sites);
  }

  async #start({
    nodePortAddresses = ["primary"],
    clusterIpFromOutside = true,
    mode = "nftables",
    fastPath = "auto",
  }: SideOptions): Promise<void> {
    this.replace({}, {});
    this.#api.listen(this.node.netns, API_PORT);
    const api = {
      folder: this.folder,
      exposeTo: async () => {},
      kubeconfigFor: (user: string) => this.#writeKubeconfig(user),
    };
    if (this.name === "kube-proxy") {
      const more = { nodePortAddresses, [mode]: { minSyncPeriod: "10ms" } };
      this.#startProxy = () => startKubeProxy(api, this.node, mode, more);
      this.#proxy = await this.#startProxy();
      return;
    }
    this.#agent = await TestAgent.start({
      node: this.node,
      source: { controlPlane: api },
      flags: [
        `--cluster-ip-from-outside=${clusterIpFromOutside}`,
        `--nodeport-addresses=${nodePortAddresses.join(",")}`,
        `--fast-path=${fastPath}`,
      ],
    });
  }

  async #writeKubeconfig(user: string): Promise<string> {
    const path = join(this.folder, "kubeconfig");
    const cluster = { server: `http://127.0.0.1:${API_PORT}` };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "parity",
      contexts: [{ name: "parity", context: { cluster: "parity", user } }],
      clusters: [{ name: "parity", cluster }],
      users: [{ name: user, user: {} }],
    };
    await writeFile(path, JSON.stringify(config));
    return path;
  }

  /** Kills the proxy, and starts it again. What it programmed stands meanwhile. */
  async restart(): Promise<void> {
    await this.#agent?.kill();
    await this.#agent?.begin();
    await this.#proxy?.stop("SIGKILL");
    if (this.#proxy !== undefined) this.#proxy = await this.#startProxy();
  }

  get log(): string {
    return this.#agent?.log ?? this.#proxy?.stderr ?? "";
  }

  /** Replaces all that the API server holds; the marker comes last. */
  replace(
    {
      services = [],
      endpointslices = [],
    }: Partial<Pick<ApiObjects, "services" | "endpointslices">>,
    node: NodeCase,
  ): void {
    const place = new Place(MARKER);
    const marker = {
      ports: [{ protocol: "TCP", port: MARKER_PORTS + ++this.#generation }],
      endpoints: [{ on: "a-1" }],
    } as const;
    this.#api.replace({
      nodes: [nodeObject(this.node.name, this.node, node)],
      servicecidrs: [serviceCidrObject()],
      services: [...services, serviceObject("marker", marker, place)],
      endpointslices: [...endpointslices, ...sliceObjects("marker", marker, this.backends)],
    });
  }

  /** Resolves once the proxy serves what was replaced last: the marker's new port, in both families. */
  async converged(): Promise<void> {
    const { clusterIP } = new Place(MARKER);
    const port = MARKER_PORTS + this.#generation;
    const probes = families.map((family) => ({
      protocol: "TCP" as const,
      address: family === "IPv4" ? clusterIP.ip4 : clusterIP.ip6,
      port,
      tries: 1,
    }));
    if (await answersSoon(this.sites.node, this.folder, probes, CONVERGE_MS)) return;
    throw new Error(`${this.name} did not converge; it said: ${this.log.slice(-4000)}`);
  }

  ask(from: Position, probes: readonly Probe[]): Promise<readonly (readonly Answer[])[]> {
    return ask(this.sites[from], this.folder, probes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#api.close();
    await this.#agent?.[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
  }
}
