import { readdir } from "node:fs/promises";
import { CommandError, command } from "./command.ts";

export const netnsPath = (name: string): string => `/run/netns/${name}`;

/** Runs lines of iproute2 as one batch, in the named namespace or in this process's own. */
export async function ip(lines: readonly string[], netns?: string): Promise<void> {
  const where = netns === undefined ? [] : ["-n", netns];
  await command("ip", [...where, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

/** Writes /proc/sys/net settings inside the namespace; keys as paths below /proc/sys/net. */
export async function netSettings(netns: string, settings: Record<string, number>): Promise<void> {
  const lines = Object.entries(settings).map(([key, value]) => `echo ${value} > ${key}`);
  const script = ["set -e", "cd /proc/sys/net", ...lines].join("\n");
  await command("nsenter", [`--net=${netnsPath(netns)}`, "sh", "-c", script]);
}

/**
 * Lines that give a device its addresses, usable at once. The link-local one is set by hand: the
 * kernel's own comes up to a second after the device, and without it no IPv6 neighbour is asked for.
 */
export const addresses = (device: string, ip4: string, ip6: string): readonly string[] => [
  `link set ${device} addrgenmode none`,
  `addr add ${ip4} dev ${device}`,
  `addr add ${ip6} dev ${device} nodad`,
  `addr add fe80::${ip6.replace(/^.*::|\/.*$/g, "")}/64 dev ${device} nodad`,
  `link set ${device} up`,
];

/** Has a namespace forget what it was told of the packets that fit through each path. */
export async function forgetPaths(netns: string): Promise<void> {
  await command("ip", ["-n", netns, "route", "flush", "cache"]);
  await command("ip", ["-n", netns, "-6", "route", "flush", "cache"]);
}

/** The largest packet that a namespace was told to fit through the path to an address, if it was. */
export async function pathMtu(netns: string, address: string): Promise<number | undefined> {
  const route = await command("ip", ["-n", netns, "route", "get", address]);
  const mtu = / mtu (\d+)/.exec(route)?.[1];
  return mtu === undefined ? undefined : Number(mtu);
}

/** Makes a namespace whose loopback is up. */
export async function makeNetns(name: string): Promise<void> {
  await ip([`netns add ${name}`]);
  await ip(["link set lo up"], name);
}

export async function listNetns(): Promise<string[]> {
  try {
    return await readdir("/run/netns");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Removes the namespace's name; the kernel frees it with its last process. Absent is no error. */
export async function deleteNetns(name: string): Promise<void> {
  try {
    await ip([`netns delete ${name}`]);
  } catch (error) {
    const gone = error instanceof CommandError && !(await listNetns()).includes(name);
    if (!gone) throw error;
  }
}
