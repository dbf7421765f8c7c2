import type { IpFamily } from "../model/address.ts";
import { addressBytes } from "../model/ip.ts";

/** The addresses that begin with the same bits; host bits are zero. */
export interface Prefix {
  readonly family: IpFamily;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly address: Uint8Array;
  /** Of `address`: 96 more than an IPv4 prefix is written with. */
  readonly bits: number;
}

const MAPPED_BITS = 96;

/** `10.0.0.0/8`, `fd00::/8`; undefined for anything else, host bits that are set among it. */
export function parsePrefix(text: string): Prefix | undefined {
  const [, host, length] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = new Uint8Array(16);
  const family = host === undefined ? undefined : addressBytes(host, address, 0);
  if (family === undefined) return undefined;
  const bits = Number(length) + (family === "IPv4" ? MAPPED_BITS : 0);
  if (bits > 128) return undefined;
  const network = masked(address, bits);
  return Buffer.compare(network, address) === 0 ? { family, address, bits } : undefined;
}

/** False for an address that cannot be read. */
export function contains(prefix: Prefix, address: string): boolean {
  const bytes = new Uint8Array(16);
  if (addressBytes(address, bytes, 0) !== prefix.family) return false;
  return Buffer.compare(masked(bytes, prefix.bits), prefix.address) === 0;
}

function masked(address: Uint8Array, bits: number): Uint8Array {
  return address.map((byte, i) => {
    const kept = Math.min(8, Math.max(0, bits - i * 8));
    return byte & (0xff00 >> kept) & 0xff;
  });
}
