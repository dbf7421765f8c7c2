import { closeSync, constants, openSync } from "node:fs";
import { BpfError } from "./errors.ts";

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

function openDirectory(operation: string, path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    const errno = -((cause as NodeJS.ErrnoException).errno ?? 0);
    throw new BpfError({ operation, target: path, errno, cause });
  }
}
