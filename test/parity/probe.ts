import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Child, finish } from "../harness/child.ts";
import { command } from "../harness/command.ts";
import type { Protocol } from "./scenario.ts";

/** A place that is asked, and how often where somebody answers. */
export interface Probe {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  readonly tries: number;
}

export type Answer =
  | { readonly kind: "answered"; readonly backend: string; readonly client: string }
  | { readonly kind: "failed"; readonly errno: string }
  | { readonly kind: "dropped" };

interface Site {
  start(command: string, args: readonly string[]): Child;
}

const ASK_DEADLINE_MS = 120_000;

let built: Promise<unknown> | undefined;

async function prober(): Promise<string> {
  built ??= command("make", ["-s", "-C", import.meta.dirname]);
  await built;
  return join(import.meta.dirname, "build/prober");
}

let files = 0;

async function inFile<T>(
  folder: string,
  probes: readonly Probe[],
  use: (file: string) => Promise<T>,
): Promise<T> {
  const file = join(folder, `probes-${files++}`);
  const lines = probes.map(
    ({ protocol, address, port, tries }) => `${protocol.toLowerCase()} ${address} ${port} ${tries}`,
  );
  await writeFile(file, `${lines.join("\n")}\n`);
  try {
    return await use(file);
  } finally {
    await rm(file, { force: true });
  }
}

/** Asks all places at once from one site; the answers of each, in the order of the probes. */
export async function ask(
  site: Site,
  folder: string,
  probes: readonly Probe[],
): Promise<readonly (readonly Answer[])[]> {
  const program = await prober();
  return await inFile(folder, probes, async (file) => {
    const { code, stdout, stderr } = await finish(
      site.start(program, ["ask", file]),
      ASK_DEADLINE_MS,
    );
    if (code !== 0) throw new Error(`the prober ended with ${code}: ${stderr}`);
    const answers: Answer[][] = probes.map(() => []);
    for (const line of stdout.split("\n").filter(Boolean)) {
      const [index = "", ...words] = line.split(" ");
      answers[Number(index)]?.push(answerOf(words));
    }
    return answers;
  });
}

/** Whether every place answered before the deadline. */
export async function answersSoon(
  site: Site,
  folder: string,
  probes: readonly Probe[],
  deadlineMs: number,
): Promise<boolean> {
  const program = await prober();
  return await inFile(folder, probes, async (file) => {
    const child = site.start(program, ["await", file, `${deadlineMs}`]);
    const { code, stderr } = await finish(child, 2 * deadlineMs);
    if (code !== 0 && code !== 1) throw new Error(`the prober ended with ${code}: ${stderr}`);
    return code === 0;
  });
}

function answerOf([kind, ...rest]: readonly string[]): Answer {
  const [first = "", second = ""] = rest;
  if (kind === "answered") return { kind, backend: first, client: second };
  if (kind === "failed") return { kind, errno: first };
  return { kind: "dropped" };
}
