import type { IpFamily } from "../model/address.ts";

/** How packets reach a backend or a client by way of a device. */
export type PacketPath = "stack" | "neighbour" | "peer";

export type DeviceRole = "external" | "pod";

/** A network device that our programs are to be attached to, or packets sent to, and why. */
export interface NodeDevice {
  readonly index: number;
  readonly name: string;
  readonly role: DeviceRole;
  /** Of a bridge: its ports, which carry the programs in its place. */
  readonly ports?: readonly number[];
  /** Bytes, from the network header on. */
  readonly mtu: number;
  /** Whether frames have a link-layer header; false for WireGuard, ipip and tun devices. */
  readonly hasMacHeader: boolean;
  /** Source of what is masqueraded by it; canonical text. */
  readonly sources: Partial<Readonly<Record<IpFamily, string>>>;
  readonly path: PacketPath;
  /** One clause each, for people: why the device is served, and why it has this path. */
  readonly roleReason: string;
  readonly pathReason: string;
}

export interface NodeAddress {
  /** Canonical text. */
  readonly address: string;
  /** Whether NodePorts answer at it (KP-26). */
  readonly nodePort: boolean;
}

/** What the per-packet programs have to know of the node's network. */
export interface NodeNetwork {
  readonly devices: readonly NodeDevice[];
  readonly addresses: readonly NodeAddress[];
  /** See `boundAddressesOf`. */
  readonly bound: ReadonlyMap<string, string>;
  /** The node's own address of each family (KP-05). */
  readonly primary: Partial<Readonly<Record<IpFamily, string>>>;
}
