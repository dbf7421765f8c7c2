import type { ServiceCidrKey } from "../../bpf/build/layout.ts";
import { addressBytes, addressText } from "../model/ip.ts";

const MAPPED_BITS = 96;

/** A canonical CIDR as a key of `service_cidrs`. */
export function keyOfServiceCidr(cidr: string): ServiceCidrKey {
  const slash = cidr.lastIndexOf("/");
  const address = new Uint8Array(16);
  const family = addressBytes(cidr.slice(0, slash), address, 0);
  if (family === undefined) throw new RangeError(`no CIDR: ${cidr}`);
  const before = family === "IPv4" ? MAPPED_BITS : 0;
  return { prefixLength: before + Number(cidr.slice(slash + 1)), address };
}

/** The inverse: "10.96.0.0/16", "fd00:10:96::/112". */
export function textOfServiceCidr({ prefixLength, address }: ServiceCidrKey): string {
  const text = addressText(address, 0);
  return `${text}/${prefixLength - (text.includes(":") ? 0 : MAPPED_BITS)}`;
}
