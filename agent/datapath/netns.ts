import { readdirSync, statSync } from "node:fs";

/**
 * Paths by which the network namespaces with these inode numbers can be entered. Those of pods are
 * found through their processes, so the agent has to see the node's processes (hostPID).
 */
export function findNetns(wanted: ReadonlySet<number>): Map<number, string> {
  const found = new Map<number, string>();
  for (const path of candidates()) {
    if (found.size === wanted.size) break;
    const inode = inodeOf(path);
    if (inode !== undefined && wanted.has(inode) && !found.has(inode)) found.set(inode, path);
  }
  return found;
}

function* candidates(): Generator<string> {
  yield "/proc/self/ns/net";
  for (const name of list("/run/netns")) yield `/run/netns/${name}`;
  for (const pid of list("/proc")) if (/^\d+$/.test(pid)) yield `/proc/${pid}/ns/net`;
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Undefined: the process is gone, or not ours to look at. */
function inodeOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}
