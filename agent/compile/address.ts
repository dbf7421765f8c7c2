import type { IpFamily } from "../model/address.ts";
import { canonicalAddress } from "../model/ip.ts";
import { probeAddresses } from "../model/probe.ts";
import type { Service } from "../model/service.ts";
import type { Report } from "./problem.ts";
import type { FrontendKind } from "./records.ts";

/** What the addresses of a Service stand for, each in canonical text. */
export type ServiceAddresses = ReadonlyMap<string, FrontendKind>;

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
 * Every address of the Service in the ClusterIP's family (KP-20, KP-22, KP-23). One that is given
 * twice is what kube-proxy's nftables mode makes of it (1.36), where the last kind written wins: a
 * load balancer's address, which source ranges guard, before an external one before the ClusterIP.
 */
export function serviceAddresses(
  service: Service,
  family: IpFamily,
  clusterIP: string,
  report: Report,
): ServiceAddresses {
  const addresses = new Map<string, FrontendKind>([[clusterIP, "ClusterIP"]]);
  const add = (kind: FrontendKind, texts: readonly string[]) => {
    for (const text of texts) {
      const address = canonicalAddress(text);
      if (address === undefined || isSpecial(address)) reportExternal(service, text, report);
      else if (address.includes(":") === (family === "IPv6")) addresses.set(address, kind);
    }
  };
  add("ExternalIP", service.externalIPs);
  // What is left of a former type does not count (KP-34).
  if (service.type === "LoadBalancer") add("LoadBalancer", service.loadBalancerIPs);
  return addresses;
}

/** Names no host. As a frontend it would stand for every NodePort address (see bpf/maps.h). */
export function isUnspecified(canonical: string): boolean {
  return canonical === "0.0.0.0" || canonical === "::";
}

/**
 * What the API server refuses as an external address, since it means another host on every node; and
 * the agent's own, with which whoever may make Services could have every node seem broken.
 */
function isSpecial(canonical: string): boolean {
  const isOwn = Object.values(probeAddresses).includes(canonical);
  return isOwn || isUnspecified(canonical) || special.test(canonical);
}

/** Loopback, link-local and multicast, in canonical text. */
const special = /^(127\.|169\.254\.|22[4-9]\.|23\d\.|::1$|fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:)/;

function reportExternal(service: Service, text: string, report: Report): void {
  report(
    "invalid-external-ip",
    `Service ${service.namespace}/${service.name}`,
    `address "${text}" of spec.externalIPs or status.loadBalancer is not programmed; use one that ` +
      "is not loopback, link-local, multicast or unspecified, nor the agent's own " +
      `(${Object.values(probeAddresses).join(", ")})`,
  );
}
