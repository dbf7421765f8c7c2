import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Child, start } from "../harness/child.ts";
import { until } from "../harness/until.ts";
import { type ComponentName, findBinary } from "./binaries.ts";

const startDeadlineMs = 60_000;
const tailLines = 15;

/** One process of the control plane; it may be stopped and started again with the same flags. */
export class Component {
  readonly name: ComponentName;
  readonly #flags: readonly string[];
  readonly #log: string;
  #child: Child | undefined;

  /** Its output is appended to NAME.log in `folder`. */
  constructor(name: ComponentName, folder: string, flags: readonly string[]) {
    this.name = name;
    this.#flags = flags;
    this.#log = join(folder, `${name}.log`);
  }

  /** Resolves once `isReady` holds; fails with the log's last lines when the process ends before. */
  async start(isReady: () => Promise<boolean>): Promise<void> {
    const binary = await findBinary(this.name);
    const log = openSync(this.#log, "a");
    try {
      const stdio = ["ignore", log, log] as const;
      this.#child = start(binary.path, [...binary.args, ...this.#flags], { stdio: [...stdio] });
    } finally {
      closeSync(log);
    }
    await this.#becomes(isReady, this.#child);
  }

  async #becomes(isReady: () => Promise<boolean>, child: Child): Promise<void> {
    try {
      await until(async () => child.exit !== undefined || (await isReady()), {
        deadlineMs: startDeadlineMs,
        describe: `${this.name} to be ready`,
      });
    } catch (cause) {
      throw new Error(`${this.name} is not ready; its log ends:\n${await this.tail()}`, { cause });
    }
    if (child.exit !== undefined) {
      throw new Error(`${this.name} ended at start; its log ends:\n${await this.tail()}`);
    }
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exit === undefined;
  }

  /** The last lines that it printed. */
  async tail(): Promise<string> {
    const text = await readFile(this.#log, "utf8");
    return text.trimEnd().split("\n").slice(-tailLines).join("\n");
  }

  /** Stops it where it stands, as SIGSTOP does; its connections stay, and nobody answers. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** SIGKILL by default: what tests hold is worth no orderly shutdown. */
  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#child?.stop(signal, 20_000);
  }
}
