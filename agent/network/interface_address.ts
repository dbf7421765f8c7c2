import { Attributes } from "libbpf-ts/netlink";
import type { IpFamily } from "../model/address.ts";
import { canonicalAddress } from "../model/ip.ts";

/** An address of a device (RTM_NEWADDR). */
export interface InterfaceAddress {
  /** Index of the device. */
  readonly device: number;
  readonly family: IpFamily;
  /** Canonical text. */
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: AddressScope;
  /** Not one to send from: secondary, temporary, deprecated, or not yet known to be unique. */
  readonly isSpare: boolean;
}

/** How far an address is known: everywhere, on its link, on this node (rtnetlink(7)). */
export type AddressScope = "global" | "link" | "host";

const HEADER_SIZE = 8;
const AF_INET = 2;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
/** IFA_F_SECONDARY (for IPv6: temporary), DADFAILED, DEPRECATED, TENTATIVE. */
const SPARE_FLAGS = 0x01 | 0x08 | 0x20 | 0x40;
const RT_SCOPE_LINK = 253;

/** Undefined for an address of another family. */
export function parseAddress(payload: Uint8Array): InterfaceAddress | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = new Attributes(payload.subarray(HEADER_SIZE));
  // On a point-to-point device IFA_ADDRESS is the other end's.
  const bytes = attributes.bytes(IFA_LOCAL) ?? attributes.bytes(IFA_ADDRESS);
  const address = bytes && textOf(bytes);
  if (address === undefined) return undefined;
  const flags = attributes.u32(IFA_FLAGS) ?? view.getUint8(2);
  return {
    device: view.getUint32(4, true),
    family: view.getUint8(0) === AF_INET ? "IPv4" : "IPv6",
    address,
    prefixLength: view.getUint8(1),
    scope: scopeOf(view.getUint8(3)),
    isSpare: (flags & SPARE_FLAGS) !== 0,
  };
}

function scopeOf(scope: number): AddressScope {
  if (scope < RT_SCOPE_LINK) return "global";
  return scope === RT_SCOPE_LINK ? "link" : "host";
}

/** Canonical text of 4 or 16 bytes; undefined for any other number. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0)).toString(16),
  );
  return canonicalAddress(groups.join(":"));
}
