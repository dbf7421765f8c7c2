import { setTimeout } from "node:timers/promises";
import type { AgentConfig } from "./config/settings.ts";
import type { DeviceReport } from "./datapath/device_report.ts";
import { NodeAddressTable } from "./datapath/node_address_table.ts";
import { primaryIn, setPrimary } from "./datapath/node_settings.ts";
import type { Datapath } from "./datapath/open.ts";
import type { Log } from "./log.ts";
import type { DeviceChoice } from "./network/settings.ts";
import type { NodeAddress, NodeNetwork } from "./network/state.ts";
import { NetworkWatch } from "./network/watch.ts";

/** How soon what failed, or was detached by somebody, is attached again. */
const VERIFY_MS = 5_000;
const START_MS = 2_000;

interface Problem {
  readonly target: string;
  readonly message: string;
}

/** Brings what is seen of the node's network to the programs, for as long as the agent runs. */
export class NodeWatch {
  readonly #datapath: Datapath;
  readonly #addresses: NodeAddressTable;
  readonly #watch: NetworkWatch;
  readonly #log: Log;
  readonly #config: AgentConfig;
  /** Told of the addresses at which NodePorts answer; none: at every one. */
  #listener: (addresses: readonly string[]) => void = () => {};
  #nodePortAddresses: readonly string[] = [];
  readonly #onBound: (bound: ReadonlyMap<string, string>) => void;
  #applied = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #watchProblem: string | undefined;
  #addressProblem: string | undefined;
  #told = new Set<string>();

  /** `onBound` is told of the addresses that devices have, whenever the network may be another. */
  constructor(
    config: AgentConfig,
    datapath: Datapath,
    log: Log,
    onBound: (bound: ReadonlyMap<string, string>) => void,
  ) {
    this.#onBound = onBound;
    this.#config = config;
    this.#datapath = datapath;
    this.#addresses = new NodeAddressTable(datapath.node.addresses);
    this.#log = log;
    this.#watch = new NetworkWatch({
      settings: config,
      nodeAddresses: [...config.nodeIp, ...primaryIn(datapath.node.settings)],
      foreignAt: (ifindex, filters) => datapath.devices.foreignAt(ifindex, filters),
      onChange: (network) => this.#apply(network),
      onProblem: (problem) => {
        this.#watchProblem = problem;
        this.#tell();
      },
    });
  }

  /** Resolves once the devices are served, or soon: the first start at many pods takes seconds. */
  async start(): Promise<void> {
    await this.#watch.start();
    await Promise.race([this.#applied, setTimeout(START_MS, undefined, { ref: false })]);
    this.#timer = setInterval(() => void this.#verify(), VERIFY_MS).unref();
  }

  /** Calls back now and at each change. */
  followNodePorts(listener: (addresses: readonly string[]) => void): void {
    this.#listener = listener;
    listener(this.#nodePortAddresses);
  }

  /**
   * What the Node object says, once it is known whether there is one. The first address of a family
   * counts, so that what the settings say goes before it (KP-05).
   */
  setNodeAddresses(addresses: readonly string[]): void {
    this.#watch.setNodeAddresses([...this.#config.nodeIp, ...addresses]);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watch.close();
  }

  /** What keeps packets from being served as they should be. */
  problems(): readonly Problem[] {
    const report = this.#datapath.devices.report();
    const whole = [
      ["network", this.#watchProblem],
      ["--devices", unmatched(this.#config.devices, report)],
      ["addresses of the node", this.#addressProblem],
    ] as const;
    return [
      ...whole.flatMap(([target, message]) => (message === undefined ? [] : [{ target, message }])),
      ...this.#datapath.devices
        .report()
        .flatMap(({ name, problem }) =>
          problem === null ? [] : [{ target: `device ${name}`, message: problem }],
        ),
    ];
  }

  /** See `NodeAddressTable.audit`. */
  auditAddresses(): readonly string[] {
    try {
      return this.#addresses.audit();
    } catch (error) {
      this.#addressProblem = (error as Error).message;
      return [];
    }
  }

  #apply({ devices, addresses, bound, primary }: NodeNetwork): void {
    try {
      this.#addresses.apply(addresses);
      this.#addressProblem = undefined;
    } catch (error) {
      this.#addressProblem = (error as Error).message;
    }
    this.#datapath.node.settings.keep("the node's own addresses", (it) => setPrimary(it, primary));
    this.#noteNodePorts(addresses);
    this.#onBound(bound);
    this.#applied = this.#datapath.devices.apply(devices).then(() => this.#tell());
  }

  #noteNodePorts(addresses: readonly NodeAddress[]): void {
    const chosen = this.#config.nodeportAddresses.all
      ? []
      : addresses.filter(({ nodePort }) => nodePort).map(({ address }) => address);
    if (chosen.join() === this.#nodePortAddresses.join()) return;
    this.#nodePortAddresses = chosen;
    this.#listener(chosen);
  }

  async #verify(): Promise<void> {
    await this.#datapath.devices.verify();
    this.#tell();
  }

  /** Each device and problem once, when it appears. */
  #tell(): void {
    const lines = new Map<string, () => void>();
    for (const it of this.#datapath.devices.report()) {
      if (it.hook === null) continue;
      const line = `serves ${it.name} as ${it.role}: ${it.roleReason}; ${it.pathReason}`;
      lines.set(line, () => this.#log.info(line, { ifindex: it.index, hook: it.hook }));
    }
    for (const { target, message } of this.problems()) {
      lines.set(`${target}: ${message}`, () => this.#log.warn(message, { target }));
    }
    for (const [line, tell] of lines) if (!this.#told.has(line)) tell();
    this.#told = new Set(lines.keys());
  }
}

/** A name that is misspelt would leave the node without service from outside. */
function unmatched(choice: DeviceChoice, devices: readonly DeviceReport[]): string | undefined {
  if (choice.kind !== "named" || devices.some(({ role }) => role === "external")) return undefined;
  return `no device is called ${choice.patterns.join(" or ")}: traffic from outside is not served`;
}
