import type { Datapath } from "../datapath/open.ts";
import { probePlaces } from "../datapath/probe_service.ts";
import { isInCgroup } from "./cgroup.ts";
import { exchange, type Outcome } from "./exchange.ts";
import { Responder } from "./responder.ts";
import { noVerdict, type Sighting, type Verdict, verdictOf } from "./verdict.ts";

export interface ProbeOptions {
  readonly datapath: Pick<Datapath, "programs" | "devices" | "mend" | "serveProbe">;
  readonly cgroupPath: string;
  /** Somebody chose that cgroup; otherwise it is the root, and every process is in it. */
  readonly isChosen: boolean;
  /** Told after each round. */
  readonly onVerdict: (verdict: Verdict) => void;
  readonly onReattached: (programs: readonly string[]) => void;
  readonly periodMs?: number;
  readonly exchange?: (responder: Responder) => Promise<Outcome>;
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
  #timer: NodeJS.Timeout | undefined;
  #working = Promise.resolve();
  #isClosed = false;

  private constructor(options: ProbeOptions, responders: readonly Responder[]) {
    this.#options = options;
    this.#responders = responders;
    this.#reattached = new Map(options.datapath.programs().map(({ name }) => [name, 0]));
    this.#off = this.#whyUnserved() ?? this.#whyApart();
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
    this.#working = this.#round().then(() => {
      if (this.#isClosed) return;
      const { periodMs = PERIOD_MS } = this.#options;
      this.#timer = setTimeout(() => this.#begin(), periodMs).unref();
    });
  }

  async #round(): Promise<void> {
    const seen = await this.#look().catch(doubtful);
    if (this.#isClosed) return;
    const verdict = verdictOf(seen, this.#verdict);
    const obstacle = isOfCgroup(seen) ? this.#mend() : undefined;
    this.#settle(obstacle === undefined ? verdict : withObstacle(verdict, obstacle));
  }

  async #look(): Promise<Sighting> {
    const { datapath, exchange: speak = exchange } = this.#options;
    const detached = datapath.programs().filter(({ attached }) => !attached);
    const seen = { detached, devices: datapath.devices.detached(), outcomes: [] };
    if (detached.length > 0 || this.#off !== undefined) return { ...seen, off: this.#off };
    const outcomes = await Promise.all(
      this.#responders.map(async (responder) => {
        const outcome = await inTwo(() => speak(responder));
        return { family: responder.place.family, outcome };
      }),
    );
    if (isOfCgroup({ ...seen, outcomes })) this.#off = this.#whyApart();
    return this.#off === undefined ? { ...seen, outcomes } : { ...seen, off: this.#off };
  }

  #whyUnserved(): string | undefined {
    if (this.#responders.length === 0) return "the node has no loopback address";
    try {
      this.#serve();
      return undefined;
    } catch (error) {
      return `its Service cannot be written: ${messageOf(error)}`;
    }
  }

  #whyApart(): string | undefined {
    const { isChosen, cgroupPath } = this.#options;
    if (!isChosen || isInCgroup(cgroupPath, process.pid)) return undefined;
    return `the agent is outside of ${cgroupPath}, so that its own connections are not translated`;
  }

  #serve(): void {
    const ports = new Map(this.#responders.map(({ place, port }) => [place.family, port]));
    const { datapath } = this.#options;
    datapath.serveProbe({ IPv4: ports.get("IPv4") ?? 0, IPv6: ports.get("IPv6") ?? 0 });
  }

  /** Gives what stands against it. */
  #mend(): string | undefined {
    try {
      const programs = this.#options.datapath.mend();
      for (const name of programs) {
        this.#reattached.set(name, (this.#reattached.get(name) ?? 0) + 1);
      }
      if (programs.length > 0) this.#options.onReattached(programs);
      if (this.#off === undefined) this.#serve();
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  #settle(verdict: Verdict): void {
    if (verdict.state !== this.#verdict.state) this.#since = Date.now();
    if (verdict.state === "failed") this.#failures++;
    this.#verdict = verdict;
    this.#options.onVerdict(verdict);
  }
}

/** One alone says little: the process was busy, or somebody has just changed a program. */
async function inTwo(speak: () => Promise<Outcome>): Promise<Outcome> {
  const outcome = await speak();
  const isSettled = outcome.kind === "translated" || outcome.kind === "absent";
  return isSettled ? outcome : await speak();
}

/** Something is wrong that attaching may mend; devices are looked after by themselves. */
const isOfCgroup = ({ detached, outcomes }: Sighting): boolean =>
  detached.length > 0 || outcomes.some(({ outcome }) => outcome.kind === "wrong");

const doubtful = (error: unknown): Sighting => ({
  detached: [],
  devices: [],
  outcomes: [],
  doubt: messageOf(error),
});

const withObstacle = (verdict: Verdict, obstacle: string): Verdict => ({
  ...verdict,
  reason: `${verdict.reason}; what is gone cannot be brought back: ${obstacle}`,
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`);
