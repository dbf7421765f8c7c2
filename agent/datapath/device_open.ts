import { probe } from "libbpf-ts";
import type { DeviceHooks } from "./device_hook.ts";
import { netlinkHooks } from "./device_netlink.ts";
import { DevicePrograms } from "./device_programs.ts";
import { tcxHooks } from "./device_tcx.ts";
import type { Pins } from "./pins.ts";
import type { FeatureReport } from "./report.ts";

export interface OpenedPrograms {
  readonly programs: DevicePrograms | undefined;
  readonly features: readonly FeatureReport[];
}

const SERVED =
  "traffic from outside and from pods that bypass the socket is served, and SCTP but for the node's own";
const UNSERVED = "traffic from outside, and from pods that bypass the socket, is not served";

/** The per-packet programs, or why there are none: the socket level goes on (PF-07). */
export function openDevicePrograms(objectPath: string, pins: Pins): OpenedPrograms {
  const name = "serve-packets";
  try {
    const programs = new DevicePrograms(objectPath, pins);
    const features = [{ name, state: "on", reason: SERVED } as const, ...programs.features];
    return { programs, features };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const reason = `${UNSERVED}: ${detail}`;
    return { programs: undefined, features: [{ name, state: "off", reason }] };
  }
}

export const deviceHooksOf = (pins: Pins): DeviceHooks =>
  probe.tcx().state === "yes" ? tcxHooks(pins) : netlinkHooks(pins);
