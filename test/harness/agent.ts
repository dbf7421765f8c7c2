import { mkdtemp, readdir, rm, rmdir, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchDebug } from "../../agent/cli/client.ts";
import type { ServiceReport } from "../../agent/datapath/report.ts";
import type { AgentStatus } from "../../agent/serve/dump.ts";
import type { ControlPlane } from "../controlplane/controlplane.ts";
import type { Child, Exit, Finished } from "./child.ts";
import { bpffs, ownPrefix } from "./leftovers.ts";
import type { TestNode } from "./node.ts";
import { until } from "./until.ts";

/** What an agent needs of its node. */
export type AgentHost = Pick<TestNode, "name" | "cgroup" | "start" | "run">;

/** What it needs of a control plane. */
export type AgentApi = Pick<ControlPlane, "exposeTo" | "kubeconfigFor">;

export interface AgentOptions {
  readonly node: AgentHost;
  /** A folder of YAML, or a control plane; nothing at all where flags say everything. */
  readonly source: { readonly folder: string } | { readonly controlPlane: AgentApi };
  /** Beside those that name the node, its cgroup, the pins and the socket. */
  readonly flags?: readonly string[];
  /** Of processes: the program and its first arguments; default the sources under this Node. */
  readonly command?: readonly [string, ...string[]];
  readonly env?: NodeJS.ProcessEnv;
}

const root = join(import.meta.dirname, "../..");
const sources = [process.execPath, join(root, "agent/main.ts")] as const;

/**
 * The suites must fail when nothing is attached: run them with this variable set to see it. Every
 * program is detached as soon as an agent is ready.
 */
const detaches = process.env.SLUICE_TEST_DETACHED === "1";

let agents = 0;

/** An agent on a node, with pins, socket and folder of its own. */
export class TestAgent implements AsyncDisposable {
  readonly node: AgentHost;
  readonly folder: string;
  readonly pinPath: string;
  readonly socketPath: string;
  #command: readonly [string, ...string[]];
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #child: Child | undefined;

  private constructor(options: AgentOptions, folder: string, args: readonly string[]) {
    this.node = options.node;
    this.folder = folder;
    this.pinPath = join(bpffs, `${ownPrefix}agent-${agents++}`);
    this.socketPath = join(folder, "agent.sock");
    this.#command = options.command ?? sources;
    this.#args = args;
    this.#env = { ...process.env, ...options.env };
  }

  /** Starts an agent and waits until it has published all that its source holds. */
  static async start(options: AgentOptions): Promise<TestAgent> {
    const agent = await TestAgent.prepare(options);
    try {
      await agent.begin();
      return agent;
    } catch (error) {
      await agent[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Makes everything for an agent, and does not start it. */
  static async prepare(options: AgentOptions): Promise<TestAgent> {
    const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}agent-`));
    return new TestAgent(options, folder, [
      ...(await sourceFlags(options)),
      ...(options.flags ?? []),
    ]);
  }

  /**
   * Starts the process, again where it has ended, and waits until it is ready. Another command than
   * before stands for another build.
   */
  async begin(command = this.#command): Promise<void> {
    this.#command = command;
    const child = this.launch();
    await until(async () => child.exit !== undefined || (await this.status()).sync.ready, {
      deadlineMs: 30_000,
      describe: () => `the agent to be ready; it said: ${child.stderr}`,
    });
    if (child.exit !== undefined) throw new Error(`the agent ended: ${child.stderr}`);
    if (detaches) await this.#detachAll();
  }

  /** Starts the process, and waits for nothing. */
  launch(): Child {
    const [command, ...first] = this.#command;
    const own = [
      `--node-name=${this.node.name}`,
      `--cgroup-path=${this.node.cgroup}`,
      `--pin-path=${this.pinPath}`,
      `--socket-path=${this.socketPath}`,
      "--healthz-bind-address=127.0.0.1:10256",
      "--metrics-bind-address=127.0.0.1:10249",
    ];
    const args = [...first, "agent", ...own, ...this.#args];
    this.#child = this.node.start(command, args, { env: this.#env });
    return this.#child;
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error("the agent was not started");
    return this.#child.pid;
  }

  get log(): string {
    return this.#child?.stderr ?? "";
  }

  /** Ends the process at once, as a crash would. What it programmed stays. */
  async kill(): Promise<void> {
    await this.#child?.stop("SIGKILL");
  }

  /** Ends the process in order. */
  async stop(): Promise<Exit | undefined> {
    return await this.#child?.stop();
  }

  async status(): Promise<AgentStatus> {
    return (await this.#ask("/v1/status")) as AgentStatus;
  }

  async services(): Promise<readonly ServiceReport[]> {
    return (await this.#ask("/v1/services")) as readonly ServiceReport[];
  }

  /** Runs `sluice` with this agent's socket and pins. */
  run(...args: readonly string[]): Promise<Finished> {
    const [command, ...first] = this.#command;
    const paths = [`--pin-path=${this.pinPath}`, `--socket-path=${this.socketPath}`];
    return this.node.run(command, [...first, ...args, ...paths], { env: this.#env });
  }

  /** Resolves once a Service port has this many endpoints in each of its families. */
  async hasEndpoints(name: string, count: number, deadlineMs = 20_000): Promise<void> {
    const found = async () => (await this.services()).filter((each) => each.name === name);
    let last: readonly ServiceReport[] = [];
    await until(
      async () => {
        last = await found();
        return last.length > 0 && last.every(({ cluster }) => cluster.length === count);
      },
      {
        deadlineMs,
        describe: () =>
          `${name} to have ${count} endpoints; it has ${last.map(({ family, cluster }) => `${family} ${cluster.length}`).join(", ") || "no ports"}`,
      },
    );
  }

  /** Ends the process, detaches its programs and removes its pins and folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    const { removePinned } = await import("../../agent/datapath/remove.ts");
    const { bpfObjectPath } = await import("../../agent/assets.ts");
    removePinned(this.pinPath, bpfObjectPath("sock"));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #ask(path: string): Promise<unknown> {
    const { status, body } = await fetchDebug(this.socketPath, path);
    if (status !== 200) throw new Error(`the agent answered ${status} to ${path}`);
    return body;
  }

  /** With their directory: an agent attaches nothing again where somebody has removed its pins. */
  async #detachAll(): Promise<void> {
    const { BpfLink } = await import("libbpf-ts");
    const links = join(this.pinPath, "links");
    await until(
      async () => {
        for (const name of await readdir(links)) {
          using link = BpfLink.openPinned(join(links, name));
          link.detach();
          await unlink(join(links, name));
        }
        await rmdir(links);
        return true;
      },
      // The agent may attach one again before the last has gone.
      { deadlineMs: 10_000, describe: `${links} to go` },
    );
  }
}

async function sourceFlags({ node, source }: AgentOptions): Promise<readonly string[]> {
  if ("folder" in source) return [`--source=directory:${source.folder}`];
  await source.controlPlane.exposeTo(node);
  const kubeconfig = await source.controlPlane.kubeconfigFor("system:kube-proxy");
  return [`--kubeconfig=${kubeconfig}`];
}
