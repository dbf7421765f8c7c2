import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bpfObjectPath } from "../../agent/assets.ts";
import { fetchDebug } from "../../agent/cli/client.ts";
import { removePinned } from "../../agent/datapath/remove.ts";
import type { AgentStatus } from "../../agent/serve/dump.ts";
import { cgroupRoot, makeCgroup, removeCgroup } from "../harness/cgroup.ts";
import { type Child, start } from "../harness/child.ts";
import { command } from "../harness/command.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { until } from "../harness/until.ts";

const root = join(import.meta.dirname, "../..");
/** V8 gives back what it can 8 s after it has come to rest. */
const SETTLED_MS = 10_000;
const SETTLED_KB = 256;

/** Of /proc/PID/status, in MB of 1,000,000 bytes. */
export interface Memory {
  readonly resident: number;
  readonly anonymous: number;
  readonly files: number;
  /** Those of the files that are arrays of the kernel's, which it holds anyway. */
  readonly maps: number;
  /** The most that was ever resident. */
  readonly peak: number;
}

/** Puts the launcher and the bundle into a folder, laid out as they are installed. */
export async function install(folder: string): Promise<string> {
  const launcher = join(folder, "agent/bin/sluice.js");
  await mkdir(join(folder, "agent/bin"), { recursive: true });
  await writeFile(join(folder, "package.json"), '{"type": "module"}\n');
  await copyFile(join(root, "agent/bin/sluice.js"), launcher);
  await command(process.execPath, [join(root, "agent/bundle.ts"), join(folder, "dist")]);
  return launcher;
}

/** The bundled agent in a process of its own, started as anybody would. */
export class ScaleAgent implements AsyncDisposable {
  readonly pinPath: string;
  readonly startedAt = Date.now();
  readonly #child: Child;
  readonly #cgroup: string;
  readonly #socketPath: string;

  private constructor(name: string, cgroup: string, folder: string, args: readonly string[]) {
    this.pinPath = join(bpffs, name);
    this.#cgroup = cgroup;
    this.#socketPath = join(folder, "agent.sock");
    this.#child = start(process.execPath, [
      ...args,
      `--cgroup-path=${cgroup}`,
      `--pin-path=${this.pinPath}`,
      `--socket-path=${this.#socketPath}`,
      "--healthz-bind-address=127.0.0.1:0",
      "--metrics-bind-address=127.0.0.1:0",
    ]);
  }

  static async start(launcher: string, server: string, nodeName: string): Promise<ScaleAgent> {
    const name = `${ownPrefix}scale`;
    const cgroup = await makeCgroup(join(await cgroupRoot(), name));
    const args = [launcher, "agent", `--server=${server}`, `--node-name=${nodeName}`];
    return new ScaleAgent(name, cgroup, join(launcher, "../../.."), args);
  }

  /** What the launcher gave Node and glibc. */
  async startedWith(): Promise<string> {
    const words = await this.#words("cmdline");
    const variables = (await this.#words("environ")).filter((each) => each.startsWith("MALLOC_"));
    return [...variables, ...words.slice(1, words.indexOf("agent") - 1)].join(" ");
  }

  /** When it said that everything is published. Milliseconds since 1970. */
  async ready(): Promise<number> {
    const line = await until(
      () => {
        if (this.#child.exit !== undefined) return "{}";
        return this.#child.stderr
          .split("\n")
          .find((each) => each.includes('"everything is published"'));
      },
      { deadlineMs: 60_000, describe: () => `the agent to be ready: ${this.#child.stderr}` },
    );
    if (this.#child.exit !== undefined) throw new Error(`the agent ended: ${this.#child.stderr}`);
    return Date.parse((JSON.parse(line) as { time: string }).time);
  }

  async status(): Promise<AgentStatus> {
    return (await fetchDebug(this.#socketPath, "/v1/status")).body as AgentStatus;
  }

  /** Seconds that it has run on a CPU, in all of its threads. */
  async cpuSeconds(): Promise<number> {
    const fields = (await readFile(`/proc/${this.#child.pid}/stat`, "utf8")).split(") ")[1];
    const [user, system] = (fields ?? "").split(" ").slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) / 100;
  }

  async memory(): Promise<Memory> {
    const text = await readFile(`/proc/${this.#child.pid}/status`, "utf8");
    const mappings = await readFile(`/proc/${this.#child.pid}/smaps`, "utf8");
    const megabytes = (field: string): number =>
      megabytesOf(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]);
    const arrays = mappings
      .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
      .filter((mapping) => mapping.includes("anon_inode:bpf-map"))
      .map((mapping) => megabytesOf(/^Rss:\s+(\d+) kB/m.exec(mapping)?.[1]));
    return {
      resident: megabytes("VmRSS"),
      anonymous: megabytes("RssAnon"),
      files: megabytes("RssFile"),
      maps: arrays.reduce((sum, each) => sum + each, 0),
      peak: megabytes("VmHWM"),
    };
  }

  /** Its memory once that has stayed the same for some seconds. */
  async settledMemory(): Promise<Memory> {
    let last = await this.memory();
    let since = performance.now();
    return await until(
      async () => {
        const now = await this.memory();
        if (Math.abs(now.resident - last.resident) * 1000 > SETTLED_KB) {
          last = now;
          since = performance.now();
        }
        return performance.now() - since > SETTLED_MS ? now : undefined;
      },
      { deadlineMs: 60_000, describe: "the agent's memory to settle" },
    );
  }

  async #words(file: "cmdline" | "environ"): Promise<readonly string[]> {
    const text = await readFile(`/proc/${this.#child.pid}/${file}`, "utf8");
    return text.split("\0");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
    removePinned(this.pinPath, bpfObjectPath("sock"));
    await removeCgroup(this.#cgroup);
  }
}

const megabytesOf = (kilobytes: string | undefined): number => (Number(kilobytes) * 1024) / 1e6;
