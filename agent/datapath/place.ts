import { existsSync, mkdirSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { isBpffs, mountBpffs } from "libbpf-ts";
import { DatapathError } from "./datapath_error.ts";
import type { Pins } from "./pins.ts";

const CGROUP2_MAGIC = 0x63677270;
const BPFFS = "/sys/fs/bpf";

/** @throws {DatapathError} "cgroup" where the path is no directory of a cgroup2 hierarchy. */
export function checkCgroup(path: string): void {
  if (!existsSync(path)) {
    throw cgroupError(path, `${path} does not exist: name a cgroup2 directory with --cgroup-path`);
  }
  if (statfsSync(path).type !== CGROUP2_MAGIC) {
    throw cgroupError(
      path,
      `${path} is not in a cgroup2 hierarchy: find one by "grep cgroup2 /proc/mounts" and name it with --cgroup-path`,
    );
  }
}

const cgroupError = (path: string, message: string): DatapathError =>
  new DatapathError("cgroup", "open cgroup", path, message);

/**
 * Makes the directories for the pins; mounts a bpf file system at its usual place where none is.
 * @throws {DatapathError} "bpffs" where pins cannot be made.
 */
export function preparePins(pins: Pins): void {
  mountWhereUsual(pins.root);
  const anchor = nearestExisting(pins.root);
  if (!isBpffs(anchor)) {
    throw bpffsError(
      pins.root,
      `${pins.root} is not on a bpf file system: run "mount -t bpf bpf ${BPFFS}", or name a place on one with --pin-path`,
    );
  }
  try {
    for (const path of [pins.maps, pins.links]) mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw bpffsError(pins.root, `${pins.root} cannot be written: run the agent as root`, cause);
  }
}

function mountWhereUsual(root: string): void {
  if (!root.startsWith(`${BPFFS}/`) || !existsSync(BPFFS) || isBpffs(BPFFS)) return;
  try {
    mountBpffs(BPFFS);
  } catch (cause) {
    throw bpffsError(
      root,
      `no bpf file system is mounted, and mounting one failed: run "mount -t bpf bpf ${BPFFS}" on the node`,
      cause,
    );
  }
}

const bpffsError = (path: string, message: string, cause?: unknown): DatapathError =>
  new DatapathError("bpffs", "prepare pins", path, message, cause);

function nearestExisting(path: string): string {
  return existsSync(path) || path === "/" ? path : nearestExisting(dirname(path));
}
