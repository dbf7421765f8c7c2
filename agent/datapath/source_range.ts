import type { SourceRangeKey } from "../../bpf/build/layout.ts";
import { addressBytes, addressText } from "../model/ip.ts";

const SERVICE_BITS = 32;
const MAPPED_BITS = 96;

/** A canonical CIDR as the range of one service. */
export function keyOfRange(service: number, cidr: string): SourceRangeKey {
  const slash = cidr.lastIndexOf("/");
  const address = new Uint8Array(16);
  const family = addressBytes(cidr.slice(0, slash), address, 0);
  if (family === undefined) throw new RangeError(`no CIDR: ${cidr}`);
  const before = SERVICE_BITS + (family === "IPv4" ? MAPPED_BITS : 0);
  return { prefixLength: before + Number(cidr.slice(slash + 1)), service, address };
}

/** The inverse: "10.0.0.0/8", "2001:db8::/32". */
export function textOfRange({ prefixLength, address }: SourceRangeKey): string {
  const text = addressText(address, 0);
  const before = SERVICE_BITS + (text.includes(":") ? 0 : MAPPED_BITS);
  return `${text}/${prefixLength - before}`;
}
