import type { IpFamily } from "../../model/address.ts";
import { addressBytes, addressText } from "../../model/ip.ts";

export interface Network {
  readonly family: IpFamily;
  /** The CIDR without host bits, which kube-proxy takes and drops. */
  readonly cidr: string;
}

const bitsOf = { IPv4: 32, IPv6: 128 } as const;

/** `10.0.0.1/8` is 10.0.0.0/8; undefined for what is no CIDR. */
export function networkOf(text: string): Network | undefined {
  const [, host, length] = /^([^/]+)\/(\d{1,3})$/.exec(text.trim()) ?? [];
  const bytes = new Uint8Array(16);
  const family = host === undefined ? undefined : addressBytes(host, bytes, 0);
  if (family === undefined || Number(length) > bitsOf[family]) return undefined;
  const bits = 128 - bitsOf[family] + Number(length);
  const network = bytes.map(
    (byte, at) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - at * 8))),
  );
  return { family, cidr: `${addressText(network, 0)}/${length}` };
}
