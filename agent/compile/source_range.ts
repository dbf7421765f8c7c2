import type { IpFamily } from "../model/address.ts";
import { type Cidr, cidrText, parseCidr } from "../model/cidr.ts";
import type { Service } from "../model/service.ts";
import type { Report } from "./problem.ts";

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
  return [...new Set(ranges.map(cidrText))];
}

function parseRanges(service: Service, report: Report): readonly Cidr[] {
  const target = `Service ${service.namespace}/${service.name}`;
  const ranges: Cidr[] = [];
  for (const text of service.loadBalancerSourceRanges) {
    const range = parseCidr(text);
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
