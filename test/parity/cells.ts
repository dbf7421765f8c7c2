import { addressIn, nodePortOf, type Place } from "./objects.ts";
import type { Probe } from "./probe.ts";
import {
  type Family,
  families,
  familiesOf,
  type PortCase,
  type Protocol,
  portsOf,
  type ServiceCase,
} from "./scenario.ts";
import { otherNodeAddress, type Position, positions } from "./side.ts";

export type AddressKind =
  | "ClusterIP"
  | "ExternalIP"
  | "LoadBalancer"
  | "NodePort"
  /** The node port at an address of the node that is not its InternalIP. */
  | "OtherNodeAddress"
  /** The node port at the loopback. */
  | "Loopback";

/** One thing to be observed: who answers a client there. */
export interface Cell {
  readonly from: Position;
  readonly kind: AddressKind;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** Of the Service; undefined: none of its ports. */
  readonly servicePort: PortCase | undefined;
}

/** Where no Service has a port. */
const UNKNOWN_PORT = 4_444;

type Target = Omit<Cell, "from">;

/** All that a client might ask of a Service, whether or not the Service has it. */
export function cellsOf(
  service: ServiceCase,
  place: Place,
  nodeAddress: { readonly ip4: string; readonly ip6: string },
): readonly Cell[] {
  return families.flatMap((family) =>
    targets(service, place, nodeAddress, family).flatMap((target) =>
      positions.filter((from) => isAsked(from, target)).map((from) => ({ from, ...target })),
    ),
  );
}

/** A pod elsewhere reaches this node only by what is routed here; the loopback is the node's own. */
function isAsked(from: Position, { kind }: Target): boolean {
  if (kind === "Loopback") return from === "node";
  return !(kind === "ClusterIP" && from === "remote");
}

function targets(
  service: ServiceCase,
  place: Place,
  nodeAddress: { readonly ip4: string; readonly ip6: string },
  family: Family,
): readonly Target[] {
  const at = (addressed: { readonly ip4: string; readonly ip6: string }) =>
    addressIn(addressed, family);
  const cell = (kind: AddressKind, address: string, port: number, servicePort?: PortCase) => ({
    kind,
    family,
    address,
    port,
    servicePort,
  });
  const addresses = [
    ["ClusterIP", at(place.clusterIP)],
    ...(service.externalIP ? [["ExternalIP", at(place.externalIP)] as const] : []),
    ...(service.type === "LoadBalancer" ? [["LoadBalancer", at(place.balancer)] as const] : []),
  ] as const;
  const nodeAddresses = [
    ["NodePort", at(nodeAddress)],
    ["OtherNodeAddress", at(otherNodeAddress)],
    ["Loopback", family === "IPv4" ? "127.0.0.1" : "::1"],
  ] as const;
  const served = portsOf(service).flatMap((servicePort) => {
    const { protocol, port = 80 } = servicePort;
    const nodePort = nodePortOf(service, servicePort, place);
    return [
      ...addresses.map(([kind, address]) => ({
        protocol,
        ...cell(kind, address, port, servicePort),
      })),
      ...(nodePort === undefined ? [] : nodeAddresses).map(([kind, address]) => ({
        protocol,
        ...cell(kind, address, nodePort ?? 0, servicePort),
      })),
    ];
  });
  const unknown = (["TCP", "UDP"] as const).flatMap((protocol) =>
    addresses.map(([kind, address]) => ({ protocol, ...cell(kind, address, UNKNOWN_PORT) })),
  );
  return [...served, ...unknown];
}

/** How often a place must be asked for every endpoint to be seen, but for one time in a hundred. */
export function probeOf(cell: Cell, endpoints: number, patience: number): Probe {
  const tries = endpoints < 2 ? 2 : Math.ceil(4.5 * endpoints);
  const { protocol, address, port } = cell;
  return { protocol, address, port, tries: tries * patience };
}

export const describeCell = ({ from, kind, protocol, address, port, family }: Cell): string =>
  `${from} to ${kind} ${family === "IPv6" ? `[${address}]` : address}:${port}/${protocol}`;

export const isInFamilies = ({ family }: Cell, service: ServiceCase): boolean =>
  familiesOf(service).includes(family);
