import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupRoot, removeCgroup } from "./cgroup.ts";
import { deleteNetns, listNetns } from "./netns.ts";

/** Where agents under test pin; empty, and no bpf file system, until one of them has mounted it. */
export const bpffs = "/sys/fs/bpf";

const family = "sluice-t-";

/** Every namespace, cgroup, temporary folder and set of pins that this process makes has a name that begins so. */
export const ownPrefix = `${family}${process.pid}-`;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A name of this family whose process has ended. */
export const isLeftover = (name: string): boolean => {
  const pid = /^sluice-t-(\d+)-/.exec(name)?.[1];
  return pid !== undefined && !isAlive(Number(pid));
};

/** Everything made under a name for which `selects` holds, as readable paths. */
export async function findMade(selects: (name: string) => boolean): Promise<string[]> {
  const cgroups = (await readdir(await cgroupRoot())).filter(selects);
  const netns = (await listNetns()).filter(selects);
  const folders = (await readdir(tmpdir())).filter(selects);
  const pins = (await readdir(bpffs)).filter(selects);
  // Cgroups come first: removing them ends the processes that hold the rest.
  return [
    ...cgroups.map((name) => `cgroup ${name}`),
    ...netns.map((name) => `netns ${name}`),
    ...folders.map((name) => `folder ${name}`),
    ...pins.map((name) => `pins ${name}`),
  ];
}

async function remove(made: string): Promise<void> {
  const [kind, name] = made.split(" ") as [string, string];
  if (kind === "netns") await deleteNetns(name);
  else if (kind === "cgroup") await removeCgroup(join(await cgroupRoot(), name));
  else if (kind === "pins") await rm(join(bpffs, name), { recursive: true, force: true });
  else await rm(join(tmpdir(), name), { recursive: true, force: true });
}

/** Removes everything made under a name for which `selects` holds, and says what that was. */
export async function removeMade(selects: (name: string) => boolean): Promise<readonly string[]> {
  const found = await findMade(selects);
  for (const made of found) await remove(made);
  return found;
}

/** Removes what runs that have ended left behind, and says what that was. */
export const sweep = (): Promise<readonly string[]> => removeMade(isLeftover);
