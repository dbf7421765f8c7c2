import type { IpFamily } from "../model/address.ts";
import { boundAddressesOf } from "./bound.ts";
import { nodeAddressesOf, primaryOf } from "./node_ports.ts";
import { pathOf, whySkip, whyStack } from "./path.ts";
import { roleOf } from "./role.ts";
import type { NetworkSettings } from "./settings.ts";
import type { NodeDevice, NodeNetwork } from "./state.ts";
import { type DeviceFacts, factsByDevice, type Surroundings } from "./surroundings.ts";

/** What the programs have to know of a network that looks so; devices in order of their index. */
export function classify(around: Surroundings, settings: NetworkSettings): NodeNetwork {
  const facts = factsByDevice(around);
  const stack = whyStack(settings.fastPath, around.netfilter);
  const attached = facts.flatMap((each) => deviceOf(each, around, settings, stack) ?? []);
  const bridges = stack === undefined ? bridgesOf(facts, attached, around, settings) : [];
  const primary = primaryOf(around);
  return {
    devices: [...attached, ...bridges].toSorted((a, b) => a.index - b.index),
    addresses: nodeAddressesOf(around, primary, settings.nodeportAddresses),
    bound: boundAddressesOf(around),
    primary,
  };
}

function deviceOf(
  facts: DeviceFacts,
  { foreign }: Surroundings,
  settings: NetworkSettings,
  stack: string | undefined,
): NodeDevice | undefined {
  const judged = roleOf(facts, settings);
  if (judged === undefined) return undefined;
  const { path, reason } =
    stack === undefined
      ? pathOf(facts, judged.role, foreign.get(facts.link.index), settings.fastPath)
      : ({ path: "stack", reason: stack } as const);
  return {
    ...describe(facts),
    role: judged.role,
    roleReason: judged.reason,
    path,
    pathReason: reason,
  };
}

/**
 * Routes to pods behind a bridge lead to the bridge. It may be sent to where each of its ports is a
 * pod's, so that every reply meets a program of ours, and where a reply misses nobody else's.
 */
function bridgesOf(
  facts: readonly DeviceFacts[],
  attached: readonly NodeDevice[],
  { foreign }: Surroundings,
  { fastPath }: NetworkSettings,
): NodeDevice[] {
  const mayRedirect = ({ role, index }: NodeDevice): boolean =>
    role === "pod" && (fastPath === "on" || foreign.get(index)?.ingress !== true);
  const pods = new Set(attached.filter(mayRedirect).map(({ index }) => index));
  const taken = new Set(attached.map(({ index }) => index));
  const portsOf = Map.groupBy(facts, ({ link }) => link.master);
  return facts.flatMap((bridge) => {
    const ports = portsOf.get(bridge.link.index)?.map(({ link }) => link.index) ?? [];
    const isPods = ports.length > 0 && ports.every((port) => pods.has(port));
    if (bridge.link.kind !== "bridge" || taken.has(bridge.link.index) || !isPods) return [];
    return {
      ...describe(bridge),
      role: "pod",
      ports,
      path: "neighbour",
      roleReason: "a bridge whose ports are all pods'",
      pathReason: whySkip(fastPath),
    } as const;
  });
}

function describe({ link, addresses }: DeviceFacts) {
  const { index, name, mtu, hasMacHeader } = link;
  const usable = addresses.filter(({ scope, isSpare }) => scope === "global" && !isSpare);
  const first = (wanted: IpFamily) => usable.find(({ family }) => family === wanted)?.address;
  const v4 = first("IPv4");
  const v6 = first("IPv6");
  const sources = { ...(v4 && { IPv4: v4 }), ...(v6 && { IPv6: v6 }) };
  return { index, name, mtu, hasMacHeader, sources };
}
