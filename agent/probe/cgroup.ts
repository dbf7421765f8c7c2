import { existsSync, readdirSync, readFileSync } from "node:fs";
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

/**
 * What to say of a cgroup that nobody chose and that is not the root of the hierarchy, as the mount of
 * a container with a cgroup namespace of its own: the agent finds itself served, and pods may not be
 * (PF-06). The root alone has no type (cgroup-v2.rst).
 */
export function strayCgroup(path: string, isChosen: boolean): string | undefined {
  if (isChosen || !existsSync(join(path, "cgroup.type"))) return undefined;
  return `${path} is not the root of the hierarchy: what runs outside of it is not served, pods perhaps; name the node's own with --cgroup-path`;
}

/** Undefined: it has just gone, or is threaded and names no processes. */
function readIn<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
