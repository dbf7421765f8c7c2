import { matchesAny } from "./device_name.ts";
import type { DeviceChoice, NetworkSettings } from "./settings.ts";
import type { DeviceRole } from "./state.ts";
import type { DeviceFacts } from "./surroundings.ts";

export interface JudgedRole {
  readonly role: DeviceRole;
  /** A clause for people. */
  readonly reason: string;
}

/** Replies of remote backends come in by these, where the cluster's network is an overlay. */
const overlayKinds = new Set([
  ...[
    "vlan",
    "bond",
    "team",
    "vxlan",
    "geneve",
    "ipip",
    "ip6tnl",
    "sit",
    "gre",
    "gretap",
    "ip6gre",
  ],
  ...["ip6gretap", "erspan", "ip6erspan", "wireguard", "macvlan", "ipvlan", "tun"],
]);
const podKinds = new Set(["veth", "netkit"]);
/** Frames that arrive at a port are the business of the device that it belongs to. */
const switchKinds = new Set(["bridge", "bond", "team", "openvswitch"]);

/** Undefined for a device that no program of ours is needed at. */
export function roleOf(
  facts: DeviceFacts,
  { devices, podDevices }: Pick<NetworkSettings, "devices" | "podDevices">,
): JudgedRole | undefined {
  if (facts.link.isLoopback) return undefined;
  const external = chosen(facts, devices, "--devices", whyExternal);
  if (external !== undefined) return { role: "external", reason: external };
  const pod = chosen(facts, podDevices, "--pod-devices", whyPod);
  return pod === undefined ? undefined : { role: "pod", reason: pod };
}

function chosen(
  facts: DeviceFacts,
  choice: DeviceChoice,
  flag: string,
  automatic: (facts: DeviceFacts) => string | undefined,
): string | undefined {
  if (choice.kind === "auto") return automatic(facts);
  if (choice.kind === "off" || !matchesAny(facts.link.name, choice.patterns)) return undefined;
  return `named by ${flag}`;
}

function whyExternal({ link, addresses, routes }: DeviceFacts): string | undefined {
  if (!link.isUp || isPort(link)) return undefined;
  if (routes.some(({ destination }) => destination.endsWith("/0"))) return "has a default route";
  if (routes.some(({ hasGateway }) => hasGateway)) return "has a route by a gateway";
  const hasAddress = addresses.some(({ scope }) => scope === "global");
  if (link.kind === undefined) return hasAddress ? "a network card with an address" : undefined;
  if (!overlayKinds.has(link.kind) || !(hasAddress || routes.length > 0)) return undefined;
  return `a ${link.kind} device with ${hasAddress ? "an address" : "a route"}`;
}

/** A node may be a container itself: its uplink is no pod's device, whichever devices are named. */
function whyPod(facts: DeviceFacts): string | undefined {
  const { link } = facts;
  if (whyExternal(facts) !== undefined) return undefined;
  if (link.kind === undefined || !podKinds.has(link.kind) || !link.peerIsElsewhere)
    return undefined;
  return `a ${link.kind} device whose other end is in another network namespace`;
}

const isPort = ({ masterKind }: { readonly masterKind: string | undefined }): boolean =>
  masterKind !== undefined && switchKinds.has(masterKind);
