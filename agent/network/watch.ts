import {
  MESSAGE_FLAGS,
  type NetlinkMessage,
  openNetlink,
  subscribeNetlink,
} from "libbpf-ts/netlink";
import { classify } from "./classify.ts";
import { readNetfilter } from "./netfilter.ts";
import type { NetfilterRules } from "./netfilter_rules.ts";
import type { NetworkSettings } from "./settings.ts";
import type { NodeNetwork } from "./state.ts";
import type { Surroundings } from "./surroundings.ts";
import { NetworkTables, RTM } from "./tables.ts";

export interface WatchOptions {
  readonly settings: NetworkSettings;
  /** Whether a TC program of somebody else runs at a device's egress. */
  readonly hasForeignEgress: (ifindex: number) => boolean;
  /** After each change, whether or not it matters, and once before `start` resolves. */
  readonly onChange: (network: NodeNetwork) => void;
  /** What keeps the watch from seeing everything; undefined: it sees again. */
  readonly onProblem: (problem: string | undefined) => void;
}

/** RTNLGRP_LINK, TC, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE. */
const ROUTE_GROUPS = [1, 4, 5, 7, 9, 11];
const NFNLGRP_NFTABLES = 7;
/** A burst is looked at again after so long; what comes alone at once. */
const BURST_MS = 10;
const NETFILTER_DELAY_MS = 50;
/** TCX programs and the older iptables tell nobody of their changes. */
const POLL_MS = 10_000;
const RESYNC_MS = 60_000;
const RETRY_MS = 100;

const IFLA_EXT_MASK_SKIP_STATS = Uint8Array.of(8, 0, 29, 0, 8, 0, 0, 0);
const DUMPS = [
  { type: RTM.getLink, payload: Uint8Array.of(...new Uint8Array(16), ...IFLA_EXT_MASK_SKIP_STATS) },
  { type: RTM.getAddress, payload: new Uint8Array(8) },
  { type: RTM.getRoute, payload: new Uint8Array(12) },
] as const;

/** Follows the network of this process's namespace, and says what the programs have to know of it. */
export class NetworkWatch {
  readonly #options: WatchOptions;
  readonly #closers: (() => void)[] = [];
  #tables = new NetworkTables();
  #netfilter: NetfilterRules = { kind: "unknown", why: "they were not read yet" };
  #nodeAddresses: readonly string[] = [];
  /** What came while the tables were read anew; undefined: they are not. */
  #held: NetlinkMessage[] | undefined;
  /** What is being read, or was, lacks something. */
  #isStale = false;
  #planned: NodeJS.Timeout | undefined;
  #netfilterPlanned: NodeJS.Timeout | undefined;
  #lastChange = 0;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Resolves once `onChange` has been told of the network as it is. */
  async start(): Promise<void> {
    const route = subscribeNetlink("route", {
      groups: ROUTE_GROUPS,
      onMessage: (message) => this.#take(message),
      onOverrun: () => void this.#resync(),
      onError: (error) => this.#lost(error),
    });
    route.unref();
    this.#closers.push(() => route.close());
    this.#watchNetfilter();
    await Promise.all([this.#resync(), this.#readNetfilter()]);
    this.#tell();
    this.#every(POLL_MS, () => void this.#readNetfilter());
    this.#every(RESYNC_MS, () => void this.#resync());
  }

  /** Of the Node object, internal addresses first; canonical text. */
  setNodeAddresses(addresses: readonly string[]): void {
    if (addresses.join() === this.#nodeAddresses.join()) return;
    this.#nodeAddresses = addresses;
    this.#plan();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#planned);
    clearTimeout(this.#netfilterPlanned);
    for (const close of this.#closers.splice(0)) close();
  }

  #every(milliseconds: number, action: () => void): void {
    const timer = setInterval(action, milliseconds).unref();
    this.#closers.push(() => clearInterval(timer));
  }

  #take(message: NetlinkMessage): void {
    if (this.#held !== undefined) {
      this.#held.push(message);
      return;
    }
    this.#tables.apply(message);
    this.#plan();
  }

  #plan(): void {
    if (this.#planned !== undefined || this.#closed) return;
    const isBurst = performance.now() - this.#lastChange < BURST_MS;
    this.#planned = setTimeout(() => this.#tell(), isBurst ? BURST_MS : 0);
  }

  #tell(): void {
    clearTimeout(this.#planned);
    this.#planned = undefined;
    if (this.#closed || this.#held !== undefined) return;
    this.#lastChange = performance.now();
    this.#options.onChange(classify(this.#surroundings(), this.#options.settings));
  }

  #surroundings(): Surroundings {
    const { links, addresses, routes } = this.#tables;
    const { hasForeignEgress } = this.#options;
    const pods = links.filter(({ peerIsElsewhere }) => peerIsElsewhere);
    const foreign = pods.filter(({ index }) => hasForeignEgress(index)).map(({ index }) => index);
    return {
      links,
      addresses,
      routes,
      netfilter: this.#netfilter,
      foreignEgress: new Set(foreign),
      nodeAddresses: this.#nodeAddresses,
    };
  }

  /** What is told meanwhile is applied on top: the last word on each object is the newest. */
  async #resync(): Promise<void> {
    if (this.#closed) return;
    if (this.#held !== undefined) {
      this.#isStale = true;
      return;
    }
    this.#isStale = false;
    const held: NetlinkMessage[] = [];
    this.#held = held;
    try {
      const tables = new NetworkTables();
      for (const message of await dumpAll()) tables.apply(message);
      for (const message of held) tables.apply(message);
      this.#tables = tables;
      this.#options.onProblem(undefined);
    } catch (error) {
      this.#lost(error as Error);
      for (const message of held) this.#tables.apply(message);
      this.#isStale = true;
    }
    this.#held = undefined;
    this.#plan();
    if (this.#isStale) setTimeout(() => void this.#resync(), RETRY_MS).unref();
  }

  #lost(error: Error): void {
    this.#options.onProblem(`the node's network cannot be followed: ${error.message}`);
  }

  #watchNetfilter(): void {
    try {
      const rules = subscribeNetlink("netfilter", {
        groups: [NFNLGRP_NFTABLES],
        onMessage: () => this.#planNetfilter(),
        onOverrun: () => this.#planNetfilter(),
        onError: () => this.#planNetfilter(),
      });
      rules.unref();
      this.#closers.push(() => rules.close());
    } catch {
      // The poll sees what nobody tells of.
    }
  }

  #planNetfilter(): void {
    if (this.#netfilterPlanned !== undefined || this.#closed) return;
    this.#netfilterPlanned = setTimeout(() => void this.#readNetfilter(), NETFILTER_DELAY_MS);
  }

  async #readNetfilter(): Promise<void> {
    clearTimeout(this.#netfilterPlanned);
    this.#netfilterPlanned = undefined;
    this.#netfilter = await readNetfilter();
    this.#plan();
  }
}

async function dumpAll(): Promise<NetlinkMessage[]> {
  using netlink = openNetlink("route");
  const messages: NetlinkMessage[] = [];
  for (const dump of DUMPS) {
    messages.push(...(await netlink.request({ ...dump, flags: MESSAGE_FLAGS.dump })));
  }
  return messages;
}
