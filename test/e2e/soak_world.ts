import type { Resource } from "../../agent/model/event.ts";
import type { Chance } from "./soak_random.ts";

/** An object as the API server holds it. */
export interface RawObject {
  readonly metadata: {
    readonly namespace?: string;
    readonly name: string;
    [more: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** Where the objects go: what an API server is told. */
export interface World {
  put(resource: Resource, object: RawObject): void;
  delete(resource: Resource, object: RawObject): void;
}

/** What the world of a soak is made of. */
export interface WorldOptions {
  readonly services: number;
  readonly nodeName: string;
  /** Addresses at which something answers, at port 8080; one pair for each pod. */
  readonly pods: readonly { readonly ip4: string; readonly ip6: string }[];
}

const namespaces = ["default", "prod", "kube-system"];
const zones = ["east", "west", "north"];
/** Most changes are to endpoints, as in clusters. */
const ENDPOINTS_SHARE = 0.7;
const MOST_SLICES = 3;
const MOST_ENDPOINTS = 8;

/** A cluster whose Services, EndpointSlices and Node change by chance. */
export class SoakWorld {
  readonly services = new Map<number, RawObject>();
  readonly slices = new Map<string, RawObject>();
  node: RawObject;
  readonly #chance: Chance;
  readonly #options: WorldOptions;
  readonly #sink: World;
  /** ClusterIPs that no Service has; the one given back last is the first to be taken again. */
  readonly #free: number[];
  readonly #addresses = new Map<number, number>();

  constructor(chance: Chance, options: WorldOptions, sink: World) {
    this.#chance = chance;
    this.#options = options;
    this.#sink = sink;
    this.#free = Array.from({ length: options.services }, (_, i) => i);
    this.node = this.#putNode();
  }

  /** One random change. */
  change(): void {
    const n = this.#chance.below(this.#options.services);
    if (this.#chance.is(0.002)) this.node = this.#putNode();
    else if (this.#chance.is(ENDPOINTS_SHARE)) this.#changeSlice(n);
    else if (!this.services.has(n)) this.#create(n, this.#free.pop() ?? 0);
    else if (this.#chance.is(0.4)) this.#delete(n);
    else if (this.#chance.is(0.2)) this.#recreate(n);
    else this.#put(n);
  }

  /** Every Service and every slice goes. */
  clear(): void {
    for (const n of [...this.services.keys()]) this.#delete(n);
    for (const [name, slice] of this.slices) {
      this.slices.delete(name);
      this.#sink.delete("endpointslices", slice);
    }
  }

  #create(n: number, address: number): void {
    this.#addresses.set(n, address);
    this.#put(n);
  }

  #delete(n: number): void {
    const service = this.services.get(n);
    const address = this.#addresses.get(n);
    if (service === undefined || address === undefined) return;
    this.services.delete(n);
    this.#addresses.delete(n);
    this.#free.push(address);
    this.#sink.delete("services", service);
  }

  /** Another Service takes over the ClusterIP in the same breath. */
  #recreate(n: number): void {
    this.#delete(n);
    const absent = Array.from({ length: this.#options.services }, (_, i) => i);
    const other = this.#chance.pick(absent.filter((i) => !this.services.has(i)));
    this.#create(other, this.#free.pop() ?? 0);
  }

  #put(n: number): void {
    const chance = this.#chance;
    const address = this.#addresses.get(n) ?? 0;
    const ip4 = `10.96.${1 + (address >> 8)}.${address & 255}`;
    const ip6 = `fd00:10:96::${(address + 1).toString(16)}`;
    const timeoutSeconds = 10 + chance.below(1000);
    const affinity = {
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds } },
    };
    const clusterIPs = chance.pick([[ip4], [ip6], [ip4, ip6], [ip6, ip4]]);
    const spec = {
      clusterIP: clusterIPs[0],
      clusterIPs,
      ports: chance.some(ports, 1 + chance.below(ports.length)),
      internalTrafficPolicy: chance.pick(["Cluster", "Cluster", "Local"]),
      ...(chance.is(0.2) ? affinity : {}),
    };
    const service = {
      metadata: { namespace: namespaceOf(n), name: `s${n}` },
      spec,
      ...(chance.is(0.3) ? chance.pick(reaches)(spec, address) : {}),
    };
    this.services.set(n, service);
    this.#sink.put("services", service);
  }

  #changeSlice(n: number): void {
    const chance = this.#chance;
    const family = chance.pick(["IPv4", "IPv6"] as const);
    const slot = chance.below(MOST_SLICES);
    const name = `s${n}-${family.toLowerCase()}-${slot}`;
    const held = this.slices.get(name);
    if (held !== undefined && chance.is(0.15)) {
      this.slices.delete(name);
      this.#sink.delete("endpointslices", held);
      return;
    }
    // Now and then a slice changes hands within its namespace.
    const owner = chance.is(0.02) ? (n + namespaces.length) % this.#options.services : n;
    const slice = {
      metadata: {
        namespace: namespaceOf(n),
        name,
        labels: { "kubernetes.io/service-name": `s${owner}` },
      },
      addressType: family,
      ports: chance.some(targets, 1 + chance.below(targets.length)),
      endpoints: this.#endpoints(n, family),
    };
    this.slices.set(name, slice);
    this.#sink.put("endpointslices", slice);
  }

  /** Of every third Service only addresses at which something answers. */
  #endpoints(n: number, family: "IPv4" | "IPv6"): readonly object[] {
    const chance = this.#chance;
    const real = this.#options.pods.map(({ ip4, ip6 }) => (family === "IPv4" ? ip4 : ip6));
    const made = Array.from({ length: 20 }, (_, i) =>
      family === "IPv4" ? `10.99.${n & 255}.${i + 1}` : `fd00:10:99:${n}::${i + 1}`,
    );
    const isHinted = chance.is(0.3);
    const addresses = n % 3 === 0 ? real : [...real, ...made];
    return chance.some(addresses, chance.below(MOST_ENDPOINTS)).map((address) => ({
      addresses: [address],
      conditions: chance.pick(conditions),
      nodeName: chance.pick([this.#options.nodeName, "other"]),
      ...(chance.is(isHinted ? 0.95 : 0.02) ? { hints: this.#hints() } : {}),
    }));
  }

  #hints(): object {
    const chance = this.#chance;
    const forNodes = [{ name: chance.pick([this.#options.nodeName, "other"]) }];
    const forZones = chance.some(zones, 1 + chance.below(2)).map((name) => ({ name }));
    return chance.is(0.3) ? { forZones, forNodes } : { forZones };
  }

  #putNode(): RawObject {
    const zone = this.#chance.pick(zones);
    const labels = { "topology.kubernetes.io/zone": zone };
    const node = { metadata: { name: this.#options.nodeName, labels } };
    this.#sink.put("nodes", node);
    return node;
  }
}

const namespaceOf = (n: number): string => namespaces[n % namespaces.length] ?? "default";

interface Spec {
  readonly ports: readonly { readonly port: number }[];
}

/** Ways for a Service to be reached at more than its ClusterIP; no two have an address in common. */
const reaches: readonly ((spec: Spec, n: number) => object)[] = [
  (spec, n) => ({
    spec: { ...spec, externalIPs: [externalIP(18, n)], externalTrafficPolicy: "Local" },
  }),
  (spec, n) => ({ spec: { ...spec, type: "NodePort", ports: withNodePorts(spec, n) } }),
  (spec, n) => ({
    spec: {
      ...spec,
      type: "LoadBalancer",
      allocateLoadBalancerNodePorts: false,
      externalTrafficPolicy: n % 2 === 0 ? "Local" : "Cluster",
      loadBalancerSourceRanges: ["203.0.113.0/24", `10.${n & 255}.0.0/16`, "2001:db8::/32"],
    },
    status: { loadBalancer: { ingress: [{ ip: externalIP(19, n) }] } },
  }),
];

const externalIP = (net: number, n: number): string => `198.${net}.${1 + (n >> 8)}.${n & 255}`;

const withNodePorts = ({ ports }: Spec, n: number) =>
  ports.map((port, at) => ({ ...port, nodePort: 30_000 + 5 * n + at }));

const ports = [
  { name: "http", protocol: "TCP", port: 80 },
  { name: "dns", protocol: "UDP", port: 53 },
  { name: "dns-tcp", protocol: "TCP", port: 53 },
  { name: "admin", protocol: "TCP", port: 9000 },
  { name: "moved", protocol: "UDP", port: 80 },
];

const targets = ports.map(({ name, protocol }) => ({ name, protocol, port: 8080 }));

const conditions = [
  {},
  { ready: true, serving: true, terminating: false },
  { ready: true, serving: true, terminating: false },
  { ready: false, serving: true, terminating: true },
  { ready: false, serving: false, terminating: true },
  { ready: false, serving: false, terminating: false },
];
