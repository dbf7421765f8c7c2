import type { InterfaceAddress } from "./interface_address.ts";
import type { Link } from "./link.ts";
import type { NetfilterRules } from "./netfilter_rules.ts";
import type { Route } from "./route.ts";

/** What the kernel says of the node's network, and Kubernetes of the Node. */
export interface Surroundings {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
  readonly netfilter: NetfilterRules;
  /** By index, for devices where any matter. */
  readonly foreign: ReadonlyMap<number, ForeignPrograms>;
  /** Of the Node object, internal ones first; canonical text. */
  readonly nodeAddresses: readonly string[];
}

/** Whether TC programs or filters of somebody else run at a device. */
export interface ForeignPrograms {
  /** After ours, which a packet that ours sends on would miss. */
  readonly ingress: boolean;
  readonly egress: boolean;
}

/** The same by device, for whoever asks often. */
export interface DeviceFacts {
  readonly link: Link;
  /** In the kernel's order. */
  readonly addresses: readonly InterfaceAddress[];
  /** Without those to link-local destinations, which every IPv6 device has. */
  readonly routes: readonly Route[];
}

export function factsByDevice({ links, addresses, routes }: Surroundings): readonly DeviceFacts[] {
  const addressesOf = Map.groupBy(addresses, ({ device }) => device);
  const routesOf = Map.groupBy(routes.filter(leadsBeyondLink), ({ device }) => device);
  return links.map((link) => ({
    link,
    addresses: addressesOf.get(link.index) ?? [],
    routes: routesOf.get(link.index) ?? [],
  }));
}

const leadsBeyondLink = ({ destination }: Route): boolean =>
  !destination.startsWith("fe80::/") && !destination.startsWith("ff00::/");
