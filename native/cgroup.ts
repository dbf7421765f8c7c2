import { closeSync, constants, openSync } from "node:fs";
import { constants as os } from "node:os";
import { BpfError, check } from "./errors.ts";

/** Calls back with a descriptor of a cgroup2 directory, which is named by path or by descriptor. */
export function withCgroup<T>(
  operation: string,
  cgroup: string | number,
  callback: (fd: number) => T,
): T {
  if (typeof cgroup === "number") return callback(cgroup);
  const fd = openDirectory(operation, cgroup);
  try {
    return callback(fd);
  } finally {
    closeSync(fd);
  }
}

/** As `check` does, of an attachment: EPERM is more often a neighbour than a capability. */
export function checkAttached<T>(operation: string, program: string, result: T | number): T {
  const errno = os.errno.EPERM;
  if (result !== -errno) return check(operation, program, result);
  const reason =
    "not permitted: a program there or above it allows no others, or a capability is missing";
  throw new BpfError({ operation, target: program, errno, reason });
}

function openDirectory(operation: string, path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    const errno = -((cause as NodeJS.ErrnoException).errno ?? 0);
    throw new BpfError({ operation, target: path, errno, cause });
  }
}
