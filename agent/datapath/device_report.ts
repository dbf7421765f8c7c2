import type { DeviceRole, PacketPath } from "../network/state.ts";

/** A device, how it is served and why. */
export interface DeviceReport {
  readonly name: string;
  readonly index: number;
  readonly role: DeviceRole;
  readonly roleReason: string;
  readonly path: PacketPath;
  readonly pathReason: string;
  /** How our programs are attached; "ports": they are, to its ports; null: they are not. */
  readonly hook: "tcx" | "netlink" | "ports" | null;
  /** Why they are not; null: they are, or are about to be. */
  readonly problem: string | null;
}
