import type { AgentConfig } from "./config/settings.ts";
import { NodeAddressTable } from "./datapath/node_address_table.ts";
import { setPrimary } from "./datapath/node_settings.ts";
import type { Datapath } from "./datapath/open.ts";
import type { Log } from "./log.ts";
import type { NodeNetwork } from "./network/state.ts";
import { NetworkWatch } from "./network/watch.ts";

/** How soon what failed, or was detached by somebody, is attached again. */
const VERIFY_MS = 5_000;

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
  #timer: NodeJS.Timeout | undefined;
  #watchProblem: string | undefined;
  #addressProblem: string | undefined;
  #told = new Set<string>();

  constructor(config: AgentConfig, datapath: Datapath, log: Log) {
    this.#datapath = datapath;
    this.#addresses = new NodeAddressTable(datapath.node.addresses);
    this.#log = log;
    this.#watch = new NetworkWatch({
      settings: config,
      foreignAt: (ifindex, filters) => datapath.devices.foreignAt(ifindex, filters),
      onChange: (network) => this.#apply(network),
      onProblem: (problem) => {
        this.#watchProblem = problem;
        this.#tell();
      },
    });
  }

  async start(): Promise<void> {
    await this.#watch.start();
    this.#timer = setInterval(() => this.#verify(), VERIFY_MS).unref();
  }

  setNodeAddresses(addresses: readonly string[]): void {
    this.#watch.setNodeAddresses(addresses);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watch.close();
  }

  /** What keeps packets from being served as they should be. */
  problems(): readonly Problem[] {
    const whole = [
      ["network", this.#watchProblem],
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

  #apply({ devices, addresses, primary }: NodeNetwork): void {
    try {
      this.#addresses.apply(addresses);
      this.#addressProblem = undefined;
    } catch (error) {
      this.#addressProblem = (error as Error).message;
    }
    setPrimary(this.#datapath.node.settings, primary);
    this.#datapath.devices.apply(devices);
    this.#tell();
  }

  #verify(): void {
    this.#datapath.devices.verify();
    this.#tell();
  }

  /** Each device and problem once, when it appears. */
  #tell(): void {
    const lines = new Map<string, () => void>();
    for (const it of this.#datapath.devices.report()) {
      if (it.problem !== null) continue;
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
