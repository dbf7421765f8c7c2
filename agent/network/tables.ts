import type { NetlinkMessage } from "libbpf-ts/netlink";
import { type InterfaceAddress, parseAddress } from "./interface_address.ts";
import { type Link, parseLink } from "./link.ts";
import { parseRoutes, type Route } from "./route.ts";

/** Types of rtnetlink messages (rtnetlink(7)). */
export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
} as const;

const NLM_F_REPLACE = 0x100;

/** The node's devices, addresses and routes, kept by applying rtnetlink's messages in order. */
export class NetworkTables {
  readonly #links = new Map<number, Link>();
  readonly #addresses = new Map<string, InterfaceAddress>();
  readonly #routes = new Map<string, Route>();

  get links(): readonly Link[] {
    return [...this.#links.values()];
  }

  get addresses(): readonly InterfaceAddress[] {
    return [...this.#addresses.values()];
  }

  get routes(): readonly Route[] {
    return [...this.#routes.values()];
  }

  apply({ type, flags, payload }: NetlinkMessage): void {
    if (type === RTM.newLink) this.#takeLink(parseLink(payload));
    else if (type === RTM.deleteLink) this.#dropLink(parseLink(payload));
    else if (type === RTM.newAddress) this.#takeAddress(parseAddress(payload));
    else if (type === RTM.deleteAddress) this.#dropAddress(parseAddress(payload));
    else if (type === RTM.newRoute) this.#takeRoutes(parseRoutes(payload), flags);
    else if (type === RTM.deleteRoute) for (const it of parseRoutes(payload)) this.#dropRoute(it);
  }

  #takeLink(link: Link | undefined): void {
    if (link === undefined) return;
    this.#links.set(link.index, link);
    if (!link.isUp) this.#dropRoutesOf(link.index);
  }

  #dropLink(link: Link | undefined): void {
    if (link === undefined) return;
    this.#links.delete(link.index);
    this.#dropRoutesOf(link.index);
    for (const [key, { device }] of this.#addresses) {
      if (device === link.index) this.#addresses.delete(key);
    }
  }

  /** The kernel tells of no IPv4 route that goes with its device. */
  #dropRoutesOf(device: number): void {
    for (const [key, route] of this.#routes) if (route.device === device) this.#routes.delete(key);
  }

  #takeAddress(address: InterfaceAddress | undefined): void {
    if (address !== undefined) this.#addresses.set(addressKey(address), address);
  }

  #dropAddress(address: InterfaceAddress | undefined): void {
    if (address !== undefined) this.#addresses.delete(addressKey(address));
  }

  #takeRoutes(routes: readonly Route[], flags: number): void {
    const [first] = routes;
    if (first === undefined) return;
    if ((flags & NLM_F_REPLACE) !== 0) this.#dropReplaced(first);
    for (const route of routes) this.#routes.set(routeKey(route), route);
  }

  /** Of a route that is replaced no deletion is told. */
  #dropReplaced(by: Route): void {
    const replaced = slotKey(by);
    for (const [key, route] of this.#routes)
      if (slotKey(route) === replaced) this.#routes.delete(key);
  }

  #dropRoute(route: Route): void {
    this.#routes.delete(routeKey(route));
  }
}

const addressKey = ({ device, address, prefixLength }: InterfaceAddress): string =>
  `${device} ${address}/${prefixLength}`;

const slotKey = ({ table, destination, tos, metric }: Route): string =>
  `${table} ${destination} ${tos} ${metric}`;

const routeKey = (route: Route): string => `${slotKey(route)} ${route.device} ${route.gateway}`;
