import { isIP } from "node:net";
import { networkOf } from "./cidr.ts";

/** A value that cannot be taken: which part of the field, such as "[0]", and what could be. */
export interface Problem {
  readonly part: string;
  readonly value: unknown;
  readonly instead: string;
}

const whole = (value: unknown, instead: string): Problem[] => [{ part: "", value, instead }];

export const words =
  (...known: readonly string[]) =>
  (value: unknown): Problem[] =>
    known.some((word) => word === value) ? [] : whole(value, `one of ${known.join(", ")}`);

export const address = (value: unknown): Problem[] =>
  isIP(`${value}`) === 0 ? whole(value, "an IP address") : [];

const itemsOf = (value: unknown): readonly string[] => value as readonly string[];

function cidrs(value: unknown): Problem[] {
  return itemsOf(value).flatMap((item, index) =>
    networkOf(item) ? [] : [{ part: `[${index}]`, value: item, instead: cidr }],
  );
}

const cidr = "a CIDR such as 192.168.1.0/24 or fd00::/8";

/** Looked at in the mode that goes by them. */
export const ipvsCidrs = (value: unknown, other: (path: string) => unknown): Problem[] =>
  other("mode") === "ipvs" ? cidrs(value) : [];

/** Either "primary" alone, or CIDRs (KP-26). */
export function nodePortAddresses(value: unknown): Problem[] {
  const items = itemsOf(value);
  if (items.length === 1 && items[0] === "primary") return [];
  const instead = `${cidr}, or "primary" alone`;
  return cidrs(value).map((problem) => ({ ...problem, instead }));
}

/** One CIDR, or one of each family; looked at in the mode that goes by it (KP-32). */
export function atMostOneOfEach(value: unknown, other: (path: string) => unknown): Problem[] {
  if (!["ClusterCIDR", "", undefined].some((mode) => mode === other("detectLocalMode"))) return [];
  const networks = `${value}`.split(",").map(networkOf);
  const families = new Set(networks.map((network) => network?.family));
  if (!families.has(undefined) && families.size === networks.length) return [];
  return whole(value, "one CIDR such as 10.244.0.0/16, or one of each family with a comma between");
}

const needs = new Map<unknown, string>([
  ["BridgeInterface", "detectLocal.bridgeInterface"],
  ["InterfaceNamePrefix", "detectLocal.interfaceNamePrefix"],
]);

export function localMode(value: unknown, other: (path: string) => unknown): Problem[] {
  const needed = needs.get(value);
  if (needed !== undefined && !other(needed)) return whole(value, `${needed} with it`);
  return words("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix")(value);
}
