import type { IpFamily } from "./address.ts";
import { addressBytes, addressText } from "./ip.ts";

/** A range of addresses, by its first one. */
export interface Cidr {
  readonly family: IpFamily;
  /** Canonical text; host bits are cleared. */
  readonly address: string;
  readonly prefixLength: number;
}

const bytes = new Uint8Array(16);

/** Undefined for anything else. A v4-mapped range is refused: its prefix length could mean either. */
export function parseCidr(text: string): Cidr | undefined {
  const [host = "", length = "", ...more] = text.split("/");
  const family = addressBytes(host, bytes, 0);
  if (family === undefined || more.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(length)) {
    return undefined;
  }
  if (host.includes(":") !== (family === "IPv6")) return undefined;
  const prefixLength = Number(length);
  const bits = family === "IPv4" ? 32 : 128;
  if (prefixLength > bits) return undefined;
  clearFrom(128 - bits + prefixLength);
  return { family, address: addressText(bytes, 0), prefixLength };
}

/** The one spelling of a range: "10.0.0.0/8", "2001:db8::/32". */
export const cidrText = ({ address, prefixLength }: Cidr): string => `${address}/${prefixLength}`;

/** Clears all bits of `bytes` from this one on. */
function clearFrom(bit: number): void {
  const at = bit >> 3;
  if (at === bytes.length) return;
  bytes[at] = (bytes[at] ?? 0) & (0xff00 >> (bit & 7));
  bytes.fill(0, at + 1);
}
