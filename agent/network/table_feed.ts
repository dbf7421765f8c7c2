import {
  MESSAGE_FLAGS,
  type NetlinkMessage,
  openNetlink,
  subscribeNetlink,
} from "libbpf-ts/netlink";
import { type Filter, readFilters } from "./filter.ts";
import { NetworkTables, RTM } from "./tables.ts";

export interface TableFeedOptions {
  readonly onChange: () => void;
  /** What keeps the tables from following the kernel; undefined: they follow. */
  readonly onProblem: (problem: string | undefined) => void;
}

/** RTNLGRP_LINK, TC, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE. */
const GROUPS = [1, 4, 5, 7, 9, 11];
/** Types of messages about qdiscs and filters: RTM_NEWQDISC to RTM_DELTFILTER. */
const TC_TYPES = { first: 36, last: 45 } as const;
const TC_DELAY_MS = 50;
const RETRY_MS = 100;

const WITHOUT_STATISTICS = Uint8Array.of(8, 0, 29, 0, 8, 0, 0, 0);
const DUMPS = [
  { type: RTM.getLink, payload: Uint8Array.of(...new Uint8Array(16), ...WITHOUT_STATISTICS) },
  { type: RTM.getAddress, payload: new Uint8Array(8) },
  { type: RTM.getRoute, payload: new Uint8Array(12) },
] as const;

/** Keeps tables of this process's network namespace in step with the kernel, by rtnetlink. */
export class TableFeed {
  readonly #options: TableFeedOptions;
  #tables = new NetworkTables();
  #filters: readonly Filter[] = [];
  #close: () => void = () => {};
  /** What came while everything was read anew; undefined: it is not. */
  #held: NetlinkMessage[] | undefined;
  /** What is being read, or was, lacks something. */
  #isStale = false;
  #tcPlanned: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: TableFeedOptions) {
    this.#options = options;
  }

  get tables(): NetworkTables {
    return this.#tables;
  }

  get filters(): readonly Filter[] {
    return this.#filters;
  }

  /** Resolves once all has been read, or could not be, which is a problem. */
  async start(): Promise<void> {
    try {
      const subscription = subscribeNetlink("route", {
        groups: GROUPS,
        onMessage: (message) => this.#take(message),
        onOverrun: () => void this.resync(),
        onError: (error) => this.#lost(error),
      });
      subscription.unref();
      this.#close = () => subscription.close();
      await this.resync();
    } catch (error) {
      this.#lost(error as Error);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#tcPlanned);
    this.#close();
  }

  /** Reads everything anew. What is told meanwhile goes on top: the last word is the newest. */
  async resync(): Promise<void> {
    if (this.#isClosed) return;
    this.#isStale = this.#held !== undefined;
    if (this.#isStale) return;
    const held: NetlinkMessage[] = [];
    this.#held = held;
    try {
      const tables = new NetworkTables();
      for (const message of await dumpAll()) tables.apply(message);
      this.#filters = await dumpFilters();
      this.#tables = tables;
      this.#options.onProblem(undefined);
    } catch (error) {
      this.#lost(error as Error);
      this.#isStale = true;
    }
    for (const message of held) this.#tables.apply(message);
    this.#held = undefined;
    if (this.#isStale) setTimeout(() => void this.resync(), RETRY_MS).unref();
    if (!this.#isClosed) this.#options.onChange();
  }

  #take(message: NetlinkMessage): void {
    if (message.type >= TC_TYPES.first && message.type <= TC_TYPES.last) this.#planFilters();
    else if (this.#held !== undefined) this.#held.push(message);
    else {
      this.#tables.apply(message);
      this.#options.onChange();
    }
  }

  #planFilters(): void {
    if (this.#tcPlanned !== undefined || this.#isClosed) return;
    this.#tcPlanned = setTimeout(() => void this.#readFilters(), TC_DELAY_MS);
  }

  async #readFilters(): Promise<void> {
    this.#tcPlanned = undefined;
    try {
      this.#filters = await dumpFilters();
    } catch (error) {
      this.#lost(error as Error);
    }
    if (!this.#isClosed) this.#options.onChange();
  }

  #lost(error: Error): void {
    this.#options.onProblem(`the node's network cannot be followed: ${error.message}`);
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

async function dumpFilters(): Promise<Filter[]> {
  using netlink = openNetlink("route");
  return await readFilters(netlink);
}
