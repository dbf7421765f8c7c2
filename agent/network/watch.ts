import { classify } from "./classify.ts";
import type { Filter } from "./filter.ts";
import { NetfilterWatch } from "./netfilter_watch.ts";
import type { NetworkSettings } from "./settings.ts";
import type { NodeNetwork } from "./state.ts";
import type { ForeignPrograms, Surroundings } from "./surroundings.ts";
import { TableFeed } from "./table_feed.ts";

export interface NetworkWatchOptions {
  readonly settings: NetworkSettings;
  /** What to take for the Node object's addresses until `setNodeAddresses` is called. */
  readonly nodeAddresses: readonly string[];
  /** What of somebody else runs at a device, given the filters there. */
  readonly foreignAt: (ifindex: number, filters: readonly Filter[]) => ForeignPrograms;
  /** After each change of links, addresses, routes or rules; before `start` resolves, too. */
  readonly onChange: (network: NodeNetwork) => void;
  /** What keeps the watch from seeing everything; undefined: it sees. */
  readonly onProblem: (problem: string | undefined) => void;
}

/** In a burst it is looked again after so long; at what comes alone, at once. */
const BURST_MS = 10;
/** TCX programs and the older iptables tell nobody of their changes. */
const POLL_MS = 10_000;
const RESYNC_MS = 60_000;

/** Follows the network of this process's namespace, and says what the programs must know of it. */
export class NetworkWatch {
  readonly #options: NetworkWatchOptions;
  readonly #feed: TableFeed;
  readonly #netfilter: NetfilterWatch;
  #timers: readonly NodeJS.Timeout[] = [];
  #nodeAddresses: readonly string[];
  /** By device; asked once, and again after what may have changed it. */
  #foreign = new Map<number, ForeignPrograms>();
  #filters: readonly Filter[] = [];
  #planned: NodeJS.Timeout | undefined;
  #lastChange = Number.NEGATIVE_INFINITY;
  #isStarted = false;

  constructor(options: NetworkWatchOptions) {
    const onChange = () => this.#plan();
    this.#options = options;
    this.#nodeAddresses = options.nodeAddresses;
    this.#feed = new TableFeed({ onChange, onProblem: options.onProblem });
    this.#netfilter = new NetfilterWatch(onChange);
  }

  /** Resolves once `onChange` has been told of the network as it is. */
  async start(): Promise<void> {
    await Promise.all([this.#feed.start(), this.#netfilter.start()]);
    this.#isStarted = true;
    this.#tell();
    this.#timers = [
      setInterval(() => this.#poll(), POLL_MS).unref(),
      setInterval(() => void this.#feed.resync(), RESYNC_MS).unref(),
    ];
  }

  /** Of the Node object, internal addresses first; canonical text. */
  setNodeAddresses(addresses: readonly string[]): void {
    if (addresses.join() === this.#nodeAddresses.join()) return;
    this.#nodeAddresses = addresses;
    this.#plan();
  }

  close(): void {
    this.#isStarted = false;
    clearTimeout(this.#planned);
    for (const timer of this.#timers) clearInterval(timer);
    this.#feed.close();
    this.#netfilter.close();
  }

  #poll(): void {
    void this.#netfilter.look();
    this.#foreign.clear();
    this.#plan();
  }

  #plan(): void {
    if (this.#planned !== undefined || !this.#isStarted) return;
    const isBurst = performance.now() - this.#lastChange < BURST_MS;
    this.#planned = setTimeout(() => this.#tell(), isBurst ? BURST_MS : 0);
  }

  #tell(): void {
    clearTimeout(this.#planned);
    this.#planned = undefined;
    this.#lastChange = performance.now();
    this.#options.onChange(classify(this.#surroundings(), this.#options.settings));
  }

  #surroundings(): Surroundings {
    const { links, addresses, routes } = this.#feed.tables;
    this.#askForForeign(links.map(({ index }) => index));
    return {
      links,
      addresses,
      routes,
      netfilter: this.#netfilter.rules,
      foreign: this.#foreign,
      nodeAddresses: this.#nodeAddresses,
    };
  }

  #askForForeign(devices: readonly number[]): void {
    if (this.#filters !== this.#feed.filters) this.#foreign.clear();
    this.#filters = this.#feed.filters;
    const filters = Map.groupBy(this.#filters, ({ device }) => device);
    const foreign = devices.map((index) => {
      const known = this.#foreign.get(index);
      return [index, known ?? this.#options.foreignAt(index, filters.get(index) ?? [])] as const;
    });
    this.#foreign = new Map(foreign);
  }
}
