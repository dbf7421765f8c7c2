import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { until } from "./until.ts";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that was started, with what it printed so far. It dies with this process. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process has ended and its output is complete; never rejects. */
  readonly exited: Promise<Exit>;
  readonly #command: string;
  readonly #process: ChildProcess;
  #stdout = "";
  #stderr = "";
  #exit: Exit | undefined;

  constructor(command: string, process: ChildProcess) {
    // Without a pid there is an error event to come, which says no more than this.
    process.once("error", () => {});
    if (process.pid === undefined) throw new Error(`${command}: setpriv could not be started`);
    this.pid = process.pid;
    this.#command = command;
    this.#process = process;
    process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.exited = new Promise((resolve) => {
      process.once("close", (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Complete lines of standard output. */
  get lines(): string[] {
    return this.#stdout.split("\n").slice(0, -1);
  }

  /** Undefined while the process runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    this.#process.kill(signal);
  }

  /** Resolves once the text was printed; fails when the process ends without, or at the deadline. */
  async printed(text: string, deadlineMs = 10_000): Promise<void> {
    const seen = () => this.#stdout.includes(text);
    await until(() => seen() || this.#exit !== undefined, {
      deadlineMs,
      describe: () => `${this.#command} to print ${JSON.stringify(text)}; it said: ${this.#stderr}`,
    });
    if (!seen()) throw new Error(`${this.#command} ended early: ${this.#stderr}`);
  }

  /** Asks the process to end and kills it when it has not by the deadline. */
  async stop(signal: NodeJS.Signals = "SIGTERM", deadlineMs = 5_000): Promise<Exit> {
    this.kill(signal);
    const timer = setTimeout(() => this.kill("SIGKILL"), deadlineMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

/**
 * Starts a process that the kernel kills when the calling thread ends, however it ends.
 * Throws when the command cannot be started at all.
 */
export function start(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, "env" | "cwd" | "stdio"> = {},
): Child {
  const stdio = options.stdio ?? ["ignore", "pipe", "pipe"];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", command, ...args], {
    ...options,
    stdio,
  });
  return new Child(command, child);
}

/** Runs a process to its end, whatever the exit code. */
export async function finish(child: Child, deadlineMs = 30_000): Promise<Finished> {
  const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  const exit = await child.exited;
  clearTimeout(timer);
  return { ...exit, stdout: child.stdout, stderr: child.stderr };
}
