import { addressBytes } from "../model/ip.ts";

/** The 16 bytes of an address, IPv4 as ::ffff:a.b.c.d; zeros where there is none. */
export function addressOrZero(address: string | undefined): Uint8Array {
  const bytes = new Uint8Array(16);
  if (address !== undefined) addressBytes(address, bytes, 0);
  return bytes;
}
