import type { NetfilterRules } from "./netfilter_rules.ts";
import type { FastPath } from "./settings.ts";
import type { DeviceRole, PacketPath } from "./state.ts";
import type { DeviceFacts, ForeignPrograms } from "./surroundings.ts";

export interface JudgedPath {
  readonly path: PacketPath;
  /** A clause for people. */
  readonly reason: string;
}

/** Why no packet of the node may skip the stack; undefined: it may. */
export function whyStack(fastPath: FastPath, netfilter: NetfilterRules): string | undefined {
  if (fastPath === "off") return "hands to the stack: --fast-path is off";
  if (fastPath === "on" || netfilter.kind === "none") return undefined;
  const what =
    netfilter.kind === "present"
      ? netfilter.what
      : `the rules of netfilter cannot be read (${netfilter.why})`;
  return `hands to the stack: ${what}; --fast-path on skips them`;
}

const SKIPS = "skips the stack";

/** Of a device in a node whose packets may skip the stack. */
export function pathOf(
  facts: DeviceFacts,
  role: DeviceRole,
  foreign: ForeignPrograms | undefined,
  fastPath: FastPath,
): JudgedPath {
  if (foreign?.ingress === true && fastPath !== "on") {
    const reason =
      "hands to the stack: another TC program runs after ours at its ingress; --fast-path on skips it";
    return { path: "stack", reason };
  }
  if (role === "pod") return podPath(facts, foreign?.egress === true);
  return { path: "neighbour", reason: whySkip(fastPath) };
}

/** Of a device by which packets skip the stack for no reason of its own. */
export const whySkip = (fastPath: FastPath): string =>
  `${SKIPS}: ${fastPath === "on" ? "--fast-path is on" : "no netfilter rule would be missed"}`;

function podPath({ link, routes }: DeviceFacts, hasForeignEgress: boolean): JudgedPath {
  if (routes.length === 0) {
    const reason = link.master === undefined ? "no route leads to it" : "reached by its bridge";
    return { path: "stack", reason };
  }
  if (hasForeignEgress) {
    return { path: "neighbour", reason: `${SKIPS}; another TC program at its egress still runs` };
  }
  if (link.qdisc !== undefined && link.qdisc !== "noqueue") {
    return { path: "neighbour", reason: `${SKIPS}; its queue (${link.qdisc}) still shapes` };
  }
  return { path: "peer", reason: `${SKIPS} and goes straight into the pod` };
}
