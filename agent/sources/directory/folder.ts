import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** Names of the YAML and JSON files directly in a folder, sorted. Hidden ones are left out. */
export async function listFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort();
}

/** What tells one content of a file from another without reading it. Follows symbolic links. */
export interface FileStamp {
  /** Device and inode: another one means that the file was replaced as a whole. */
  readonly inode: string;
  readonly version: string;
  readonly modifiedMilliseconds: number;
}

export async function stampOf(path: string): Promise<FileStamp> {
  const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs } = await stat(path, { bigint: true });
  return {
    inode: `${dev}:${ino}`,
    version: `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`,
    modifiedMilliseconds: Number(mtimeMs),
  };
}

/** Throws on bytes that are no UTF-8: replacing them would hide the damage. */
export async function readText(folder: string, name: string): Promise<string> {
  return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(join(folder, name)));
}

/** Why an operation on a file failed and what mends it, from the error that it threw. */
export function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return reasons[code] ?? (cause instanceof Error ? cause.message : String(cause));
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist; create it, or mend the link that leads to it",
  EACCES: "permission denied; let the agent's user read it",
  EPERM: "permission denied; let the agent's user read it",
  EISDIR: "it is a folder; folders inside are not searched",
  ENOTDIR: "it is not a folder; name the folder that holds the YAML files",
  ELOOP: "its symbolic links lead in a circle",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8 text; save it as UTF-8",
  EMFILE: "too many open files; raise the limit of open files",
  ENOSPC: "no inotify watches are left; raise fs.inotify.max_user_watches",
};

/**
 * Calls `changed` when something in the folder changes, until the returned function is called.
 * Throws where the folder cannot be watched. A folder that goes away is not said: look for it.
 */
export type WatchFolder = (folder: string, changed: () => void) => () => void;

export const watchFolder: WatchFolder = (folder, changed) => {
  const watcher: FSWatcher = watch(folder, changed);
  watcher.on("error", changed);
  return () => watcher.close();
};
