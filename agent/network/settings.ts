import type { Prefix } from "./prefix.ts";

/** Devices of one role: found by themselves, none, or those of these names and globs. */
export type DeviceChoice =
  | { readonly kind: "auto" }
  | { readonly kind: "off" }
  | { readonly kind: "named"; readonly patterns: readonly string[] };

/** At which of the node's addresses NodePorts answer (KP-26, KP-27). */
export interface NodePortAddresses {
  /** The Node's own address of each family. */
  readonly primary: boolean;
  readonly all: boolean;
  readonly localhost: boolean;
  /** Nor does a prefix that holds the loopback's address mean it. */
  readonly noLocalhost?: true;
  /** A family that has none of them has all addresses, unless a word above speaks for it. */
  readonly prefixes: readonly Prefix[];
}

/** Whether packets may skip the stack where both directions meet our programs. */
export type FastPath = "auto" | "on" | "off";

/** What a person decides about the network of the node. */
export interface NetworkSettings {
  readonly devices: DeviceChoice;
  readonly podDevices: DeviceChoice;
  readonly nodeportAddresses: NodePortAddresses;
  readonly fastPath: FastPath;
}

/** A range of ports, both ends included, or the largest that nobody else takes ports from. */
export type PortRangeSetting = "auto" | { readonly first: number; readonly last: number };
