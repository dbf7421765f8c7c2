import { Attributes } from "libbpf-ts/netlink";
import type { IpFamily } from "../model/address.ts";
import { textOf } from "./interface_address.ts";

/** One way that a unicast route names; a multipath route is several of them. */
export interface Route {
  readonly family: IpFamily;
  readonly table: number;
  /** CIDR in canonical text; "0.0.0.0/0" and "::/0" are default routes. */
  readonly destination: string;
  /** Lower ones win. */
  readonly metric: number;
  readonly tos: number;
  /** Index of the device. */
  readonly device: number;
  readonly hasGateway: boolean;
  /** Canonical text of the gateway, or "". */
  readonly gateway: string;
}

const HEADER_SIZE = 12;
const AF_INET = 2;
const AF_INET6 = 10;
const RT_TABLE_LOCAL = 255;
const RTN_UNICAST = 1;
const RTM_F_CLONED = 0x200;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const NEXT_HOP_SIZE = 8;

/** Empty for what no packet is routed by: local, broadcast and cached routes, other families. */
export function parseRoutes(payload: Uint8Array): Route[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const family = view.getUint8(0);
  if (family !== AF_INET && family !== AF_INET6) return [];
  if (view.getUint8(7) !== RTN_UNICAST || (view.getUint32(8, true) & RTM_F_CLONED) !== 0) return [];
  const attributes = new Attributes(payload.subarray(HEADER_SIZE));
  const table = attributes.u32(RTA_TABLE) ?? view.getUint8(4);
  if (table === RT_TABLE_LOCAL) return [];
  const destination = textOf(
    attributes.bytes(RTA_DST) ?? new Uint8Array(family === AF_INET ? 4 : 16),
  );
  const route = {
    family: family === AF_INET ? "IPv4" : "IPv6",
    table,
    destination: `${destination}/${view.getUint8(1)}`,
    metric: attributes.u32(RTA_PRIORITY) ?? 0,
    tos: view.getUint8(3),
  } as const;
  return nextHops(attributes).map((hop) => ({ ...route, ...hop }));
}

type NextHop = Pick<Route, "device" | "hasGateway" | "gateway">;

function nextHops(attributes: Attributes): NextHop[] {
  const device = attributes.u32(RTA_OIF);
  const several = attributes.bytes(RTA_MULTIPATH);
  if (several === undefined) return device === undefined ? [] : [nextHop(device, attributes)];
  const hops: NextHop[] = [];
  const view = new DataView(several.buffer, several.byteOffset, several.byteLength);
  for (let at = 0; at + NEXT_HOP_SIZE <= several.length; ) {
    const size = view.getUint16(at, true);
    if (size < NEXT_HOP_SIZE) break;
    const own = new Attributes(several.subarray(at + NEXT_HOP_SIZE, at + size));
    hops.push(nextHop(view.getInt32(at + 4, true), own));
    at += (size + 3) & ~3;
  }
  return hops;
}

function nextHop(device: number, attributes: Attributes): NextHop {
  // RTA_VIA names a gateway of the other family: two bytes say which.
  const gateway = attributes.bytes(RTA_GATEWAY) ?? attributes.bytes(RTA_VIA)?.subarray(2);
  const text = gateway === undefined ? "" : (textOf(gateway) ?? "");
  return { device, hasGateway: gateway !== undefined, gateway: text };
}
