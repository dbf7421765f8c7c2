import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { command } from "../harness/command.ts";

const root = join(import.meta.dirname, "../..");

/** An entry point of a per-packet program, up to its first statement. */
const entry = /^int sluice_(?:from|to)_\w+\(struct __sk_buff \*skb\)\n\{/gm;

/**
 * Bundles the agent into a folder, with per-packet programs that do the same in other instructions.
 * Gives the command that starts it.
 */
export async function rebuildAgent(folder: string): Promise<readonly [string, string]> {
  await command(process.execPath, [join(root, "agent/bundle.ts"), folder]);
  const sources = join(folder, "bpf");
  await cp(join(root, "bpf"), sources, { recursive: true });
  await changePrograms(join(sources, "tc.bpf.c"));
  await command("make", ["-s", "-C", sources, "build/tc.bpf.o"]);
  await cp(join(sources, "build/tc.bpf.o"), join(folder, "tc.bpf.o"));
  return [process.execPath, join(folder, await bundleIn(folder))];
}

async function changePrograms(file: string): Promise<void> {
  const source = await readFile(file, "utf8");
  const changed = source.replaceAll(entry, "$&\n\tbpf_ktime_get_ns();");
  if (changed === source) throw new Error(`${file} has no entry point that could be changed`);
  await writeFile(file, changed);
}

async function bundleIn(folder: string): Promise<string> {
  const bundle = (await readdir(folder)).find((name) => name.endsWith(".mjs"));
  if (bundle === undefined) throw new Error(`${folder} holds no bundle`);
  return bundle;
}
