import { isDeepStrictEqual } from "node:util";
import type { AgentEvent } from "./events/event.ts";
import { foreignProxyEvent, takenPortEvent } from "./events/trouble.ts";
import type { Log } from "./log.ts";
import { findServiceProxies, type ServiceProxy } from "./network/service_proxies.ts";
import type { ForeignProxyDump } from "./serve/dump.ts";
import type { Listener } from "./serve/listener.ts";

export interface ForeignProxiesOptions {
  readonly nodeName: string;
  readonly log: Log;
  readonly record: (event: AgentEvent) => void;
  readonly find?: () => Promise<readonly ServiceProxy[]>;
  readonly pollMs?: number;
  /** A port that is taken for less may be that of the agent before this one. */
  readonly patienceMs?: number;
}

type PortEvidence = "healthz_port" | "metrics_port";

/** Knows of other service proxies on the node. The agent works on beside them (PF-41). */
export class ForeignProxies {
  readonly #options: ForeignProxiesOptions;
  readonly #ports = new Map<PortEvidence, Listener>();
  readonly #timer: NodeJS.Timeout;
  #found: readonly ForeignProxyDump[] = [];

  constructor(options: ForeignProxiesOptions) {
    this.#options = options;
    const { pollMs = 5_000 } = options;
    this.#timer = setInterval(() => void this.look(), pollMs).unref();
    void this.look();
  }

  get found(): readonly ForeignProxyDump[] {
    return this.#found;
  }

  /** A port of ours that another process may have. */
  watchPort(evidence: PortEvidence, listener: Listener): void {
    this.#ports.set(evidence, listener);
  }

  async look(): Promise<void> {
    const { find = findServiceProxies } = this.#options;
    const rules = await find().catch(() => []);
    const found = [
      ...rules.map(({ rules, what }) => ({ evidence: rules, what })),
      ...this.#takenPorts(),
    ];
    const fresh = found.filter((each) => !this.#found.some((it) => isDeepStrictEqual(it, each)));
    this.#found = found;
    this.#tell(fresh);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #takenPorts(): ForeignProxyDump[] {
    const { patienceMs = 15_000 } = this.#options;
    return [...this.#ports].flatMap(([evidence, { address, takenSince }]) => {
      const since = takenSince();
      if (since === undefined || Date.now() - since < patienceMs) return [];
      return [{ evidence, what: `another process at ${address}` }];
    });
  }

  #tell(fresh: readonly ForeignProxyDump[]): void {
    const { nodeName, log, record } = this.#options;
    for (const { evidence, what } of fresh) {
      log.warn(`another service proxy: ${what}`, { evidence });
      if (evidence === "healthz_port" || evidence === "metrics_port") {
        record(takenPortEvent(nodeName, evidence, what));
      }
    }
    const rules = fresh.filter(({ evidence }) => !evidence.endsWith("_port"));
    if (rules.length === 0) return;
    record(foreignProxyEvent(nodeName, rules.map(({ what }) => what).join(", ")));
  }
}
