import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Whether the process is in the cgroup or below. Its own path in /proc does not tell: it counts from
 * the root of the process's cgroup namespace, which is not the root of the mount that it was given.
 */
export function isInCgroup(path: string, pid: number): boolean {
  if (
    readIn(() => readFileSync(join(path, "cgroup.procs"), "utf8"))
      ?.split("\n")
      .includes(`${pid}`)
  )
    return true;
  const below = readIn(() => readdirSync(path, { withFileTypes: true })) ?? [];
  return below.some((entry) => entry.isDirectory() && isInCgroup(join(path, entry.name), pid));
}

/** Undefined: it has just gone, or is threaded and names no processes. */
function readIn<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
