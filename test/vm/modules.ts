import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { command } from "./command.ts";

/** A kernel module, uncompressed. */
export interface Module {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * The wanted modules of a kernel with all that they depend on, dependencies first.
 * A wanted name without a file is taken to be built in: configurations differ by kernel.
 */
export const moduleClosure = async (
  folder: string,
  wanted: readonly string[],
): Promise<readonly Module[]> => {
  const files = await moduleFiles(folder);
  const loaded = new Map<string, Module>();
  const visiting = new Set<string>();
  const load = async (name: string): Promise<void> => {
    const file = files.get(name);
    if (file === undefined || visiting.has(name)) return;
    visiting.add(name);
    const content = await readModule(file);
    for (const needed of dependencies(content)) await load(needed);
    loaded.set(name, { name, content });
  };
  for (const name of wanted) await load(name);
  return [...loaded.values()];
};

const moduleFiles = async (folder: string): Promise<ReadonlyMap<string, string>> => {
  const paths = await readdir(folder, { recursive: true });
  const modules = paths.filter((path) => /\.ko(\.xz)?$/.test(path));
  return new Map(modules.map((path) => [moduleName(path), join(folder, path)]));
};

// A file may write dashes where the kernel's name has underscores.
const moduleName = (path: string): string =>
  basename(path)
    .replace(/\.ko(\.xz)?$/, "")
    .replaceAll("-", "_");

const readModule = (file: string): Promise<Buffer> =>
  file.endsWith(".xz") ? command("xz", ["-dc", file]) : readFile(file);

/** The hard dependencies and the soft ones to load first, as the module's own records name them. */
const dependencies = (content: Buffer): readonly string[] => {
  const depends = records(content, "depends=").flatMap((value) => value.split(","));
  const soft = records(content, "softdep=").flatMap((value) =>
    value.startsWith("pre:") ? value.slice("pre:".length).split(" ") : [],
  );
  return [...depends, ...soft]
    .filter((name) => name !== "")
    .map((name) => name.replaceAll("-", "_"));
};

const records = (content: Buffer, key: string): readonly string[] => {
  const found: string[] = [];
  const mark = `\0${key}`;
  for (let at = content.indexOf(mark); at >= 0; at = content.indexOf(mark, at + 1)) {
    const start = at + mark.length;
    found.push(content.toString("latin1", start, content.indexOf(0, start)));
  }
  return found;
};
