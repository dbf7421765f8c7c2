import { ipBytes, macBytes } from "../packet/address.ts";
import { devices, routes, type WorldDevice } from "../world.ts";

/** Where a packet for an address goes. */
export type Route =
  | { readonly kind: "device"; readonly device: WorldDevice; readonly nextHopMac?: Uint8Array }
  | { readonly kind: "local" | "none" };

interface Line {
  readonly prefix: Uint8Array;
  readonly bits: number;
  readonly device: WorldDevice | undefined;
  readonly gateway: string | undefined;
}

const parsePrefix = (text: string) => {
  const [address = "", bits] = text.split("/");
  return { prefix: ipBytes(address), bits: Number(bits) };
};

const lines: readonly Line[] = [
  ...routes.map(({ prefix, device, gateway }) => ({
    ...parsePrefix(prefix),
    device: devices.find(({ name }) => name === device),
    gateway,
  })),
  ...devices.flatMap((device) =>
    device.addresses.map((each) => ({ ...parsePrefix(each), device, gateway: undefined })),
  ),
].sort((one, other) => other.bits - one.bits);

const key = (address: Uint8Array): string => address.join();

const own = new Set(
  devices.flatMap(({ addresses }) => addresses.map((each) => key(parsePrefix(each).prefix))),
);

const neighbours = new Map(
  routes.flatMap(({ prefix, gateway, nextHopMac }) =>
    nextHopMac === undefined
      ? []
      : [[key(ipBytes(gateway ?? parsePrefixText(prefix))), macBytes(nextHopMac)] as const],
  ),
);

function parsePrefixText(prefix: string): string {
  return prefix.replace(/\/.*/, "");
}

const cache = new Map<string, Route>();

export function routeTo(address: Uint8Array): Route {
  const name = key(address);
  const known = cache.get(name);
  if (known !== undefined) return known;
  const route = look(address, name);
  if (cache.size > 10_000) cache.clear();
  cache.set(name, route);
  return route;
}

function look(address: Uint8Array, name: string): Route {
  if (own.has(name)) return { kind: "local" };
  const line = lines.find((each) => covers(each.prefix, each.bits, address));
  if (line?.device === undefined) return { kind: "none" };
  const nextHopMac = neighbours.get(line.gateway === undefined ? name : key(ipBytes(line.gateway)));
  return { kind: "device", device: line.device, ...(nextHopMac ? { nextHopMac } : {}) };
}

export function covers(prefix: Uint8Array, bits: number, address: Uint8Array): boolean {
  if (prefix.length !== address.length) return false;
  for (let bit = 0; bit < bits; bit++) {
    const mask = 0x80 >> (bit & 7);
    if (((prefix[bit >> 3] ?? 0) ^ (address[bit >> 3] ?? 0)) & mask) return false;
  }
  return true;
}
