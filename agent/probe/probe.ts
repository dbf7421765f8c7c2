import type { Datapath } from "../datapath/open.ts";
import { probePlaces } from "../datapath/probe_service.ts";
import type { AgentEvent } from "../events/event.ts";
import { probeEvent } from "../events/trouble.ts";
import type { Log } from "../log.ts";
import { isInCgroup } from "./cgroup.ts";
import { exchange, type Outcome } from "./exchange.ts";
import { Responder } from "./responder.ts";
import { noVerdict, type Sighting, type Verdict, verdictOf } from "./verdict.ts";

export interface ProbeOptions {
  readonly datapath: Pick<Datapath, "programs" | "devices" | "mend" | "serveProbe">;
  readonly cgroupPath: string;
  /** Somebody chose that cgroup; otherwise it is the root, and every process is in it. */
  readonly isChosen: boolean;
  readonly nodeName: string;
  readonly log: Log;
  readonly record: (event: AgentEvent) => void;
  readonly periodMs?: number;
}

/** Times are milliseconds since 1970. */
export interface ProbeReport extends Omit<Verdict, "unclear"> {
  /** When it came to that state. */
  readonly since: number;
  /** Rounds that failed. */
  readonly failures: number;
  /** How often each program of the cgroup was brought back. */
  readonly reattached: ReadonlyMap<string, number>;
}

const PERIOD_MS = 2_000;

/**
 * Sees whether connections are translated, by making some, and brings programs back that are gone
 * (PF-06). Two exchanges in a row decide. An agent that is outside the cgroup that it serves is not
 * translated itself, and looks at the links alone.
 */
export class Probe {
  readonly #options: ProbeOptions;
  readonly #responders: readonly Responder[];
  readonly #reattached: Map<string, number>;
  #off: string | undefined;
  #verdict = noVerdict;
  #since = Date.now();
  #failures = 0;
  /** What has been told; undefined: nothing is wrong. */
  #told: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working = Promise.resolve();
  #isClosed = false;

  private constructor(options: ProbeOptions, responders: readonly Responder[]) {
    this.#options = options;
    this.#responders = responders;
    this.#reattached = new Map(options.datapath.programs().map(({ name }) => [name, 0]));
    this.#off = this.#whyOff() ?? this.#whyUnserved();
  }

  /** Its first round is under way then. */
  static async start(options: ProbeOptions): Promise<Probe> {
    const opening = probePlaces.map((place) => Responder.open(place).catch(() => undefined));
    const responders = (await Promise.all(opening)).filter((each) => each !== undefined);
    const probe = new Probe(options, responders);
    probe.#begin();
    return probe;
  }

  report(): ProbeReport {
    const { state, reason, families } = this.#verdict;
    const [since, failures, reattached] = [this.#since, this.#failures, this.#reattached];
    return { state, reason, families, since, failures, reattached };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#working;
    for (const responder of this.#responders) responder.close();
  }

  #begin(): void {
    this.#working = this.#round().finally(() => {
      if (this.#isClosed) return;
      const { periodMs = PERIOD_MS } = this.#options;
      this.#timer = setTimeout(() => this.#begin(), periodMs).unref();
    });
  }

  async #round(): Promise<void> {
    const seen = await this.#look();
    if (this.#isClosed) return;
    const verdict = verdictOf(seen, this.#verdict);
    const isMended =
      verdict.state !== "failed" || seen.detached.length + seen.outcomes.length === 0;
    const obstacle = isMended ? undefined : this.#mend();
    this.#settle(obstacle === undefined ? verdict : withObstacle(verdict, obstacle));
  }

  async #look(): Promise<Sighting> {
    const { datapath } = this.#options;
    const detached = datapath.programs().filter(({ attached }) => !attached);
    const devices = datapath.devices.detached();
    if (detached.length > 0 || this.#off !== undefined) {
      return { off: this.#off, detached, devices, outcomes: [] };
    }
    const outcomes = await Promise.all(
      this.#responders.map(async (responder) => {
        const outcome = await exchangeTwice(responder);
        return { family: responder.place.family, outcome };
      }),
    );
    if (!outcomes.some(({ outcome }) => outcome.kind === "wrong")) {
      return { detached, devices, outcomes };
    }
    this.#off = this.#whyOff();
    if (this.#off !== undefined) return { off: this.#off, detached, devices, outcomes: [] };
    return { detached, devices, outcomes };
  }

  /** Why nothing can be seen from here; undefined: it can. */
  #whyOff(): string | undefined {
    const { isChosen, cgroupPath } = this.#options;
    if (this.#responders.length === 0) return "the node has no loopback address";
    if (!isChosen || isInCgroup(cgroupPath, process.pid)) return undefined;
    return `the agent is outside of ${cgroupPath}, so that its own connections are not translated`;
  }

  #whyUnserved(): string | undefined {
    try {
      this.#serve();
      return undefined;
    } catch (error) {
      return `the maps have no room for it: ${messageOf(error)}`;
    }
  }

  #serve(): void {
    const ports = new Map(this.#responders.map(({ place, port }) => [place.family, port]));
    const portsOf = { IPv4: ports.get("IPv4") ?? 0, IPv6: ports.get("IPv6") ?? 0 };
    this.#options.datapath.serveProbe(portsOf);
  }

  /** Gives what stands against it. */
  #mend(): string | undefined {
    try {
      const names = this.#options.datapath.mend();
      for (const name of names) this.#reattached.set(name, (this.#reattached.get(name) ?? 0) + 1);
      if (names.length > 0) this.#options.log.info("programs were attached again", { names });
      this.#serve();
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  #settle(verdict: Verdict): void {
    if (verdict.state !== this.#verdict.state) this.#since = Date.now();
    if (verdict.state === "failed") this.#failures++;
    this.#verdict = verdict;
    this.#tell(verdict);
  }

  /** Each reason once, until it is over. */
  #tell({ state, reason }: Verdict): void {
    const { log, record, nodeName } = this.#options;
    const trouble = state === "failed" || state === "off" ? `${state}: ${reason}` : undefined;
    if (trouble === this.#told) return;
    const wasFailed = this.#told?.startsWith("failed") ?? false;
    this.#told = trouble;
    if (state === "failed") {
      log.error(`connections to Services are not translated: ${reason}`);
      record(probeEvent(nodeName, reason ?? ""));
      return;
    }
    if (wasFailed) log.info("connections to Services are translated again");
    if (state === "off") log.warn(`the probe is off: ${reason}`);
  }
}

/** One that the process was too busy for says nothing, and neither does one that somebody cut short. */
async function exchangeTwice(responder: Responder): Promise<Outcome> {
  const outcome = await exchange(responder);
  const isSettled = outcome.kind === "translated" || outcome.kind === "absent";
  return isSettled ? outcome : await exchange(responder);
}

const withObstacle = (verdict: Verdict, obstacle: string): Verdict => ({
  ...verdict,
  reason: `${verdict.reason}; what is gone cannot be brought back: ${obstacle}`,
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`);
