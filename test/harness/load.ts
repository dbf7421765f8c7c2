import type { Child } from "./child.ts";
import { program } from "./programs.ts";

export interface Target {
  readonly protocol: "tcp" | "udp";
  /** IPv4, IPv6, or IPv4-mapped to use an IPv6 socket. */
  readonly address: string;
  readonly port: number;
}

export interface LoadOptions {
  /** Attempts at most; without a limit the load runs until it is stopped. */
  readonly count?: number;
  readonly durationMs?: number;
  /** For connect and for an answer; default 2000. */
  readonly timeoutMs?: number;
  /** Pause between attempts; default 0, which makes tens of thousands of attempts a second. */
  readonly gapUs?: number;
  /** One socket for all attempts, replaced when it fails; default a new one for each. */
  readonly keep?: boolean;
  /** Bytes of a datagram, at most 9,000; default those of its number. */
  readonly size?: number;
  /** UDP by sendto and recvfrom on an unconnected socket. */
  readonly unconnected?: boolean;
  /** Of every socket; default one of the kernel's choice. */
  readonly sourcePort?: number;
  /** No record of each attempt: for long runs without a gap. */
  readonly summary?: boolean;
}

interface Timed {
  /** Start of the attempt, nanoseconds of CLOCK_MONOTONIC, as `monotonicNs` reads it. */
  readonly at: number;
  /** Until connect() returned; 0 where there was none to make. */
  readonly latencyNs: number;
  /** From `at` until the answer was read. */
  readonly answerNs: number;
}

export interface Success extends Timed {
  readonly ok: true;
  /** Name of the pod that answered. */
  readonly backend: string;
  /** The client as that pod saw it. */
  readonly client: string;
  readonly clientPort: number;
  /** Whom the client believes to talk to: ADDRESS:PORT, IPv6 in brackets. */
  readonly peer: string;
}

export interface Failure extends Timed {
  readonly ok: false;
  /** Symbolic, such as ECONNREFUSED. */
  readonly errno: string;
  readonly phase: "socket" | "connect" | "send" | "answer";
}

export type Attempt = Success | Failure;

export interface BackendCount {
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface LoadSummary {
  readonly attempts: number;
  readonly ok: number;
  readonly failed: number;
  readonly latencyMeanNs: number;
  readonly latencyMaxNs: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly backends: Readonly<Record<string, BackendCount>>;
}

/** Anything that runs processes: a pod or a node. */
export interface Site {
  start(command: string, args: readonly string[]): Child;
}

/** CLOCK_MONOTONIC in nanoseconds: comparable with the times of attempts. */
export const monotonicNs = (): number => Number(process.hrtime.bigint());

/** A client that connects, asks who answers, and begins again, until it is stopped. */
export class Load {
  readonly #client: Child;
  readonly #attempts: Attempt[] = [];
  #parsedLength = 0;

  constructor(client: Child) {
    this.#client = client;
  }

  /** What was attempted so far, up to 20 ms ago. Empty with `summary`. */
  get attempts(): readonly Attempt[] {
    const complete = this.#client.stdout.lastIndexOf("\n") + 1;
    const lines = this.#client.stdout.slice(this.#parsedLength, complete).split("\n");
    for (const line of lines) {
      if (line.startsWith('{"at"')) this.#attempts.push(JSON.parse(line) as Attempt);
    }
    this.#parsedLength = complete;
    return this.#attempts;
  }

  /** Resolves when the load has ended by its own limits. */
  async finished(): Promise<LoadSummary> {
    const exit = await this.#client.exited;
    const last = this.#client.lines.at(-1) ?? "";
    if (exit.code !== 0 || !last.startsWith('{"summary"')) {
      throw new Error(`loadgen ended without a summary: ${this.#client.stderr}`);
    }
    return JSON.parse(last) as LoadSummary;
  }

  async stop(): Promise<LoadSummary> {
    this.#client.kill("SIGTERM");
    return await this.finished();
  }
}

const flags = (options: LoadOptions): string[] => [
  ...(options.count === undefined ? [] : ["--count", `${options.count}`]),
  ...(options.durationMs === undefined ? [] : ["--duration-ms", `${options.durationMs}`]),
  ...(options.timeoutMs === undefined ? [] : ["--timeout-ms", `${options.timeoutMs}`]),
  ...(options.gapUs === undefined ? [] : ["--gap-us", `${options.gapUs}`]),
  ...(options.size === undefined ? [] : ["--size", `${options.size}`]),
  ...(options.sourcePort === undefined ? [] : ["--source-port", `${options.sourcePort}`]),
  ...(options.keep ? ["--keep"] : []),
  ...(options.unconnected ? ["--unconnected"] : []),
  ...(options.summary ? ["--summary"] : []),
];

/** Starts a load from a pod or a node; resolves once it runs. */
export async function startLoad(from: Site, to: Target, options: LoadOptions = {}): Promise<Load> {
  const args = [...flags(options), to.protocol, to.address, `${to.port}`];
  const client = from.start(await program("loadgen"), args);
  await client.printed('{"started"');
  return new Load(client);
}

/** Makes `count` attempts, one by default, and gives each one's outcome. */
export async function attempt(
  from: Site,
  to: Target,
  options: LoadOptions = {},
): Promise<readonly Attempt[]> {
  const load = await startLoad(from, to, { count: 1, ...options });
  await load.finished();
  return load.attempts;
}
