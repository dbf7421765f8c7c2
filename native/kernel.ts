import { statfsSync } from "node:fs";
import { release } from "node:os";
import { addon } from "./addon.ts";
import { ArgumentError, BpfError, check } from "./errors.ts";

const BPF_FS_MAGIC = 0xcafe4a11;

/** Whether pins can be made there. False for a path that does not exist. */
export function isBpffs(path: string): boolean {
  try {
    return statfsSync(path).type === BPF_FS_MAGIC;
  } catch {
    return false;
  }
}

/** Mounts a bpffs on a directory that exists, readable by root only. Needs CAP_SYS_ADMIN. */
export function mountBpffs(path: string): void {
  check("mountBpffs", path, addon.mountBpffs(path));
}

/**
 * Resolves once every program run that was going on at the call has ended: what only those could
 * still see may be reused. An RCU grace period by membarrier(2), on libuv's thread pool;
 * milliseconds to tens of milliseconds.
 * @throws {BpfError} isUnsupported, where the kernel has no MEMBARRIER_CMD_GLOBAL (nohz_full).
 */
export async function rcuGracePeriod(): Promise<void> {
  const result = await addon.membarrierGlobal();
  if (result === 0) return;
  const errno = result === -22 || result === -38 ? 95 : -result;
  throw new BpfError({ operation: "rcuGracePeriod", target: "membarrier", errno });
}

/** What `bpf_get_netns_cookie` gives in this thread's network namespace. Undefined before 5.14. */
export function netnsCookie(): bigint | undefined {
  const cookie = addon.netnsCookie();
  if (typeof cookie === "bigint") return cookie;
  if (cookie === -92) return undefined; // ENOPROTOOPT
  throw new BpfError({ operation: "netnsCookie", target: "socket", errno: -cookie });
}

/**
 * Calls back inside a network namespace (/run/netns/NAME, /proc/PID/ns/net) and gives what the
 * callback gives. Sockets and links made there stay there. The callback must be synchronous:
 * nothing that it defers would run inside. Should the way back fail the process aborts, for the
 * thread would do everything that follows in the wrong place. Needs CAP_SYS_ADMIN.
 */
export function inNetns<T>(path: string, callback: () => T): T {
  if (typeof callback !== "function") throw new ArgumentError("inNetns takes a function");
  const result = addon.inNetns(path, callback);
  const [value] = check<readonly [T]>("inNetns", path, result);
  if (value instanceof Promise) throw new ArgumentError("the callback of inNetns is asynchronous");
  return value;
}

/**
 * Gives back to the system what malloc holds free (malloc_trim(3)): megabytes after an object was
 * loaded or much was read. Says whether anything was given. Under a millisecond for small heaps.
 */
export function releaseFreeMemory(): boolean {
  return addon.releaseFreeMemory();
}

export interface KernelVersion {
  /** As uname(2) has it: "6.1.0-32-amd64". */
  readonly release: string;
  readonly major: number;
  readonly minor: number;
}

export function kernelVersion(): KernelVersion {
  const text = release();
  const [major = 0, minor = 0] = text.split(".").map((part) => Number.parseInt(part, 10));
  return { release: text, major, minor };
}
