import type { IpFamily } from "../model/address.ts";
import { addressBytes, addressText } from "../model/ip.ts";
import type { Service } from "../model/service.ts";
import type { Report } from "./problem.ts";

/** A range of addresses, by its first one. */
interface Range {
  readonly family: IpFamily;
  readonly address: string;
  readonly prefixLength: number;
}

/**
 * Who may use the LoadBalancer frontends of one family, as canonical CIDRs; undefined: everyone
 * (KP-24). As in kube-proxy 1.36 (pkg/proxy/serviceport.go), that is so too where no range of the
 * family is left, and where one of them holds all of it. What is no CIDR is reported and ignored.
 */
export function sourceRanges(
  service: Service,
  family: IpFamily,
  report: Report,
): readonly string[] | undefined {
  if (service.type !== "LoadBalancer" || service.loadBalancerSourceRanges.length === 0) {
    return undefined;
  }
  const ranges = parseRanges(service, report).filter((range) => range.family === family);
  if (ranges.length === 0 || ranges.some(({ prefixLength }) => prefixLength === 0)) {
    return undefined;
  }
  return [...new Set(ranges.map(({ address, prefixLength }) => `${address}/${prefixLength}`))];
}

function parseRanges(service: Service, report: Report): readonly Range[] {
  const target = `Service ${service.namespace}/${service.name}`;
  const ranges: Range[] = [];
  for (const text of service.loadBalancerSourceRanges) {
    const range = parseRange(text);
    if (range !== undefined) ranges.push(range);
    else {
      const message = `source range "${text}" is ignored; write a CIDR such as 192.0.2.0/24`;
      report("invalid-source-range", target, message);
    }
  }
  if (ranges.length === 0) {
    const message =
      "every client may use its load balancer addresses, for no valid source range is left; " +
      "correct spec.loadBalancerSourceRanges";
    report("invalid-source-range", target, message);
  }
  return ranges;
}

const bytes = new Uint8Array(16);

/** Host bits are cleared. A v4-mapped range is refused: its prefix length could mean either. */
function parseRange(text: string): Range | undefined {
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

/** Clears all bits of `bytes` from this one on. */
function clearFrom(bit: number): void {
  const at = bit >> 3;
  if (at === bytes.length) return;
  bytes[at] = (bytes[at] ?? 0) & (0xff00 >> (bit & 7));
  bytes.fill(0, at + 1);
}
