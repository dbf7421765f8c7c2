import { command } from "../harness/command.ts";
import { netnsPath } from "../harness/netns.ts";

/** What a device may do in place of the stack, as ethtool names it. */
export type Offload = "tx" | "gso" | "tso" | "gro";

export interface Offloads {
  /** At the only device of clients and pods. */
  readonly ends: readonly Offload[];
  /** At every veth and VXLAN device of the node. */
  readonly node: readonly Offload[];
}

interface Site {
  readonly netns: string;
}

export interface OffloadSites {
  readonly ends: readonly Site[];
  readonly node: Site;
}

/** Switches offloads off; gives what switches them on again. */
export async function setOffloads(
  sites: OffloadSites,
  { ends = [], node = [] }: Partial<Offloads>,
): Promise<() => Promise<void>> {
  const set = async (state: "on" | "off") => {
    for (const site of sites.ends) await switchAll(site, ends, state);
    await switchAll(sites.node, node, state);
  };
  await set("off");
  return () => set("on");
}

const script = `set -e
for device in $(ip -o link show | sed -n 's/^[0-9]*: \\([^@:]*\\).*/\\1/p'); do
  case $device in eth0|p[0-9]*|flannel.1) ethtool -K "$device" "$@" >/dev/null ;; esac
done`;

async function switchAll(
  { netns }: Site,
  offloads: readonly Offload[],
  state: "on" | "off",
): Promise<void> {
  if (offloads.length === 0) return;
  const settings = offloads.flatMap((offload) => [offload, state]);
  await command("nsenter", [`--net=${netnsPath(netns)}`, "sh", "-c", script, "sh", ...settings]);
}
