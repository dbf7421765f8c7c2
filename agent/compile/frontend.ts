import type { IpFamily } from "../model/address.ts";
import { canonicalAddress } from "../model/ip.ts";
import type { Service, ServicePort } from "../model/service.ts";
import type { Report } from "./problem.ts";

/**
 * The ClusterIP of each family that is served, by family (KP-02, KP-20). An address that cannot be
 * one is reported and left out, and so is a second one of a family.
 */
export function clusterIPs(
  service: Service,
  families: ReadonlySet<IpFamily>,
  report: Report,
): ReadonlyMap<IpFamily, string> {
  const byFamily = new Map<IpFamily, string>();
  for (const text of service.clusterIPs) {
    const address = canonicalAddress(text);
    const family = address?.includes(":") ? "IPv6" : "IPv4";
    if (address === undefined || isUnspecified(address) || byFamily.has(family)) {
      report(
        "invalid-cluster-ip",
        `Service ${service.namespace}/${service.name}`,
        `cluster IP "${text}" is not programmed; spec.clusterIPs takes at most one IPv4 and one ` +
          "IPv6 address",
      );
    } else if (families.has(family)) {
      byFamily.set(family, address);
    }
  }
  return byFamily;
}

/**
 * The ports that can be programmed, in order. The same number for several protocols is fine
 * (KP-33); of two ports that would answer at the same number, or under the same name, for one
 * protocol, the first stands.
 */
export function usablePorts(service: Service, report: Report): readonly ServicePort[] {
  const usable: ServicePort[] = [];
  const target = `Service ${service.namespace}/${service.name}`;
  for (const port of service.ports) {
    if (port.protocol === "SCTP") {
      const why = "SCTP is not supported yet; use TCP or UDP";
      report("sctp-unsupported", target, `${spell(port)} is not programmed: ${why}`);
    } else if (!isUsablePort(port.port)) {
      report("invalid-port", target, `${spell(port)} is not programmed; use 1 to 65535`);
    } else if (usable.some((other) => clash(port, other))) {
      const why = "another port of the Service has its number or its name, and its protocol";
      report("duplicate-port", target, `${spell(port)} is not programmed: ${why}; change one`);
    } else {
      usable.push(port);
    }
  }
  if (service.ports.length === 0) {
    report("no-ports", target, "nothing is programmed; add at least one port to spec.ports");
  }
  return usable;
}

/** Whether it can stand on the wire. */
export function isUsablePort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** Names no host. As a frontend it would stand for every NodePort address (see bpf/maps.h). */
export function isUnspecified(canonical: string): boolean {
  return canonical === "0.0.0.0" || canonical === "::";
}

function clash(a: ServicePort, b: ServicePort): boolean {
  return a.protocol === b.protocol && (a.port === b.port || a.name === b.name);
}

function spell(port: ServicePort): string {
  const name = port.name === "" ? "" : ` (${port.name})`;
  return `port ${port.port}/${port.protocol}${name}`;
}
