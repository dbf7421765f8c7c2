import type { IpFamily } from "../model/address.ts";
import { familyOf } from "../model/ip.ts";
import { isIpvsDevice } from "./bound.ts";
import type { InterfaceAddress } from "./interface_address.ts";
import { contains } from "./prefix.ts";
import type { NodePortAddresses } from "./settings.ts";
import type { NodeAddress, NodeNetwork } from "./state.ts";
import type { Surroundings } from "./surroundings.ts";

const families = ["IPv4", "IPv6"] as const;
const loopbacks = ["127.0.0.1", "::1"] as const;

/**
 * The node's own address of each family: what the Node object says, or the first address of the
 * device by which the default route leaves (KP-05).
 */
export function primaryOf(around: Surroundings): NodeNetwork["primary"] {
  const found = families.flatMap((family) => {
    const address =
      around.nodeAddresses.find((each) => familyOf(each) === family) ??
      uplinkAddress(around, family);
    return address === undefined ? [] : [[family, address] as const];
  });
  return Object.fromEntries(found);
}

function uplinkAddress({ routes, addresses }: Surroundings, family: IpFamily): string | undefined {
  const [uplink] = routes
    .filter((route) => route.family === family && route.destination.endsWith("/0"))
    .toSorted((a, b) => a.metric - b.metric);
  const mine = addresses.filter((each) => each.family === family && isGlobal(each));
  return mine.find(({ device }) => device === uplink?.device)?.address;
}

/**
 * Every address of the node, and which of them NodePorts answer at (KP-26). At the loopback they do
 * by the word, or by a prefix that holds it, as in kube-proxy's mode iptables (KP-27).
 */
export function nodeAddressesOf(
  around: Surroundings,
  primary: NodeNetwork["primary"],
  wanted: NodePortAddresses,
): NodeAddress[] {
  const names = new Map(around.links.map(({ index, name }) => [index, name]));
  const atLoopback = (address: string) =>
    wanted.localhost ||
    (!wanted.noLocalhost && wanted.prefixes.some((prefix) => contains(prefix, address)));
  const nodePort = new Map<string, boolean>(loopbacks.map((it) => [it, atLoopback(it)]));
  for (const address of around.addresses) {
    if (address.scope !== "global") continue;
    const isChosen = !isIpvsDevice(names.get(address.device)) && isWanted(address, wanted);
    nodePort.set(address.address, isChosen || nodePort.get(address.address) === true);
  }
  if (wanted.primary) for (const address of Object.values(primary)) nodePort.set(address, true);
  return [...nodePort].map(([address, answers]) => ({ address, nodePort: answers }));
}

function isWanted(
  address: InterfaceAddress,
  { all, prefixes, ...words }: NodePortAddresses,
): boolean {
  if (all) return true;
  const own = prefixes.filter(({ family }) => family === address.family);
  if (own.length > 0) return own.some((prefix) => contains(prefix, address.address));
  return prefixes.length > 0 && !words.primary && !words.localhost;
}

const isGlobal = ({ scope, isSpare }: InterfaceAddress): boolean => scope === "global" && !isSpare;
