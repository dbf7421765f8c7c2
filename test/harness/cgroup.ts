import { mkdir, readdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { until } from "./until.ts";

/** Where the cgroup2 hierarchy is mounted; on hybrid hosts that is not /sys/fs/cgroup. */
export async function cgroupRoot(): Promise<string> {
  const mounts = await readFile("/proc/self/mounts", "utf8");
  const mount = mounts.split("\n").find((line) => line.split(" ")[2] === "cgroup2");
  const path = mount?.split(" ")[1];
  if (path === undefined) throw new Error("no cgroup2 mounted: mount -t cgroup2 none DIR");
  return path;
}

export async function makeCgroup(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new Error(`cannot make the cgroup ${path}: tests with nodes need root`, { cause });
  }
  return path;
}

const ifPresent = async <T>(action: Promise<T>, otherwise: T): Promise<T> => {
  try {
    return await action;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENODEV") return otherwise;
    throw error;
  }
};

/** The pids inside the cgroup itself, not in its children. */
export async function cgroupProcesses(path: string): Promise<readonly number[]> {
  const text = await ifPresent(readFile(join(path, "cgroup.procs"), "utf8"), "");
  return text.split("\n").filter(Boolean).map(Number);
}

async function killAll(path: string): Promise<void> {
  const pids = await cgroupProcesses(path);
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended between the reading and the signal.
    }
  }
}

/** Kills what runs in the cgroup and below, and removes it. An absent cgroup is no error. */
export async function removeCgroup(path: string): Promise<void> {
  const entries = await ifPresent(readdir(path, { withFileTypes: true }), []);
  for (const entry of entries) {
    if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  }
  // The last process leaves the list a moment before the kernel lets go of the cgroup, and one that
  // was just being started may still join it: every attempt kills first.
  const removed = async () => {
    await killAll(path);
    await ifPresent(rmdir(path), undefined);
    return true;
  };
  await until(removed, {
    deadlineMs: 10_000,
    describe: `the processes in ${path} to end and the cgroup to go`,
  });
}
