import type { InterfaceAddress } from "../../agent/network/interface_address.ts";
import type { Link } from "../../agent/network/link.ts";
import type { Route } from "../../agent/network/route.ts";
import type { NetworkSettings } from "../../agent/network/settings.ts";
import type { Surroundings } from "../../agent/network/surroundings.ts";

/** A card that is up, unless told otherwise. */
export const link = (index: number, name: string, rest: Partial<Link> = {}): Link => ({
  index,
  name,
  isUp: true,
  isLoopback: false,
  hasMacHeader: true,
  mtu: 1500,
  kind: undefined,
  master: undefined,
  masterKind: undefined,
  peerIsElsewhere: false,
  qdisc: "noqueue",
  ...rest,
});

/** The node's end of a pod's veth pair. */
export const podLink = (index: number, name: string, rest: Partial<Link> = {}): Link =>
  link(index, name, { kind: "veth", peerIsElsewhere: true, ...rest });

/** `10.0.0.1/24`, of global scope unless told otherwise. */
export function address(
  device: number,
  cidr: string,
  rest: Partial<InterfaceAddress> = {},
): InterfaceAddress {
  const [text = "", length] = cidr.split("/");
  return {
    device,
    family: text.includes(":") ? "IPv6" : "IPv4",
    address: text,
    prefixLength: Number(length),
    scope: "global",
    isSpare: false,
    ...rest,
  };
}

export const route = (device: number, destination: string, gateway = "", metric = 0): Route => ({
  family: destination.includes(":") ? "IPv6" : "IPv4",
  table: 254,
  destination,
  metric,
  tos: 0,
  device,
  hasGateway: gateway !== "",
  gateway,
});

/** A network without rules, and without programs of others. */
export const around = (rest: Partial<Surroundings>): Surroundings => ({
  links: [],
  addresses: [],
  routes: [],
  netfilter: { kind: "none" },
  foreign: new Map(),
  nodeAddresses: [],
  ...rest,
});

/** The defaults, but for what is told. */
export const settings = (rest: Partial<NetworkSettings> = {}): NetworkSettings => ({
  devices: { kind: "auto" },
  podDevices: { kind: "auto" },
  nodeportAddresses: { primary: true, all: false, localhost: false, prefixes: [] },
  fastPath: "auto",
  ...rest,
});
