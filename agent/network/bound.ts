import type { Surroundings } from "./surroundings.ts";

/** The addresses on it are the Services' of a kube-proxy in IPVS mode. */
export const ipvsDevice = "kube-ipvs0";

/**
 * The addresses that devices of this node have, with the name of one that has it each: what is sent
 * to them is somebody's here (PF-45). Not those that an IPVS proxy has put there.
 */
export function boundAddressesOf({ links, addresses }: Surroundings): ReadonlyMap<string, string> {
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const bound = addresses.flatMap(({ address, device, scope }) => {
    const name = names.get(device);
    const isOwned = scope === "global" && name !== undefined && name !== ipvsDevice;
    return isOwned ? [[address, name] as const] : [];
  });
  return new Map(bound);
}
