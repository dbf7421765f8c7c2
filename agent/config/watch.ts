import { readFile, stat } from "node:fs/promises";
import type { ConfigFile } from "./file.ts";

/** A file is read so often: it is small, and no way of changing it goes unseen (KP-52). */
const LOOK_MS = 2_000;

export interface WatchOptions {
  readonly lookMs?: number;
  /** What a file says; undefined where it cannot be told. */
  readonly read?: (path: string) => Promise<string | undefined>;
}

/**
 * Resolves when the file says something else than it did; never where there is none. Looks at what
 * it says and at nothing else: kubelet swaps a symbolic link above it, editors rename or rewrite it,
 * and a ConfigMap's other keys change beside it. One that is gone for a while has not changed. Keeps
 * no process alive.
 */
export async function configChange(
  file: Pick<ConfigFile, "path" | "text"> | undefined,
  { lookMs = LOOK_MS, read = readRegularFile }: WatchOptions = {},
): Promise<"config changed"> {
  const { promise, resolve } = Promise.withResolvers<"config changed">();
  if (file === undefined) return promise;
  const look = async (): Promise<void> => {
    const text = await read(file.path).catch(() => undefined);
    if (text !== undefined && text !== file.text) resolve("config changed");
    else setTimeout(look, lookMs).unref();
  };
  await look();
  return promise;
}

/** Undefined for a pipe, which can be read only once. */
export const readRegularFile = async (path: string): Promise<string | undefined> =>
  (await stat(path)).isFile() ? readFile(path, "utf8") : undefined;
