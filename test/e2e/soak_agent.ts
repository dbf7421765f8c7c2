import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bpfObjectPath } from "../../agent/assets.ts";
import { fetchDebug } from "../../agent/cli/client.ts";
import { removePinned } from "../../agent/datapath/remove.ts";
import type { AgentStatus } from "../../agent/serve/dump.ts";
import { type Child, start } from "../harness/child.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { until } from "../harness/until.ts";

export interface SoakAgentOptions {
  readonly nodeName: string;
  readonly cgroup: string;
  /** URL of an API server on this host. */
  readonly server: string;
  /** The program and its first arguments; default the sources, started as anybody would. */
  readonly command?: readonly string[] | undefined;
  readonly flags?: readonly string[];
}

const sources = [process.execPath, join(import.meta.dirname, "../../agent/bin/sluice.js")];

let agents = 0;

/** An agent that may be killed at any moment and started again; it serves a cgroup from outside. */
export class SoakAgent implements AsyncDisposable {
  readonly pinPath: string;
  readonly #folder: string;
  readonly #options: SoakAgentOptions;
  #child: Child | undefined;

  private constructor(options: SoakAgentOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.pinPath = join(bpffs, `${ownPrefix}soak-${agents++}`);
  }

  static async prepare(options: SoakAgentOptions): Promise<SoakAgent> {
    return new SoakAgent(options, await mkdtemp(join(tmpdir(), `${ownPrefix}soak-`)));
  }

  /** Starts the process, and waits for nothing. */
  launch(): void {
    const { nodeName, cgroup, server, command = sources, flags = [] } = this.#options;
    const [program = "", ...first] = command;
    this.#child = start(program, [
      ...first,
      "agent",
      `--server=${server}`,
      `--node-name=${nodeName}`,
      `--cgroup-path=${cgroup}`,
      `--pin-path=${this.pinPath}`,
      `--socket-path=${this.#socketPath}`,
      "--healthz-bind-address=off",
      "--metrics-bind-address=off",
      "--log-level=error",
      ...flags,
    ]);
  }

  async kill(): Promise<void> {
    await this.#child?.stop("SIGKILL");
  }

  /** Whether it ended without being told to. */
  get failure(): string | undefined {
    const { exit, stderr } = this.#child ?? {};
    return exit === undefined ? undefined : `the agent ended with ${exit.code}: ${stderr}`;
  }

  get log(): string {
    return this.#child?.stderr ?? "";
  }

  async status(): Promise<AgentStatus> {
    return (await fetchDebug(this.#socketPath, "/v1/status")).body as AgentStatus;
  }

  async ready(): Promise<void> {
    await until(async () => this.failure !== undefined || (await this.status()).sync.ready, {
      deadlineMs: 30_000,
      describe: () => `the agent to be ready: ${this.log}`,
    });
    if (this.failure !== undefined) throw new Error(this.failure);
  }

  /** What each of its open files is, sorted. */
  async files(): Promise<readonly string[]> {
    const folder = `/proc/${this.#child?.pid}/fd`;
    const links = (await readdir(folder)).map((fd) => readlink(join(folder, fd)).catch(() => ""));
    return (await Promise.all(links))
      .filter((link) => link !== "")
      .map((link) => link.replace(/\[\d+\]/, ""))
      .toSorted();
  }

  /** Resident memory that is no file's, in kB. */
  async anonymousKilobytes(): Promise<number> {
    const text = await readFile(`/proc/${this.#child?.pid}/status`, "utf8");
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(text)?.[1]);
  }

  get #socketPath(): string {
    return join(this.#folder, "agent.sock");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    removePinned(this.pinPath, bpfObjectPath("sock"));
    await rm(this.#folder, { recursive: true, force: true });
  }
}
