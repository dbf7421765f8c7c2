import type { NetfilterRules } from "./netfilter_rules.ts";
import type { FastPath } from "./settings.ts";
import type { DeviceRole, PacketPath } from "./state.ts";
import type { DeviceFacts } from "./surroundings.ts";

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

/** Of a device that packets may be sent to without the stack. */
export function pathOf(
  { link, routes }: DeviceFacts,
  role: DeviceRole,
  foreignEgress: ReadonlySet<number>,
): JudgedPath {
  if (role === "external")
    return { path: "neighbour", reason: "skips the stack: no netfilter rule would be missed" };
  if (routes.length === 0) return { path: "stack", reason: "no route leads to it" };
  if (foreignEgress.has(link.index)) {
    return {
      path: "neighbour",
      reason: "skips the stack; another TC program at its egress still runs",
    };
  }
  if (link.qdisc !== undefined && link.qdisc !== "noqueue") {
    return { path: "neighbour", reason: `skips the stack; its queue (${link.qdisc}) still shapes` };
  }
  return { path: "peer", reason: "goes straight into the pod" };
}
