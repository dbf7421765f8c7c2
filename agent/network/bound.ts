import type { Surroundings } from "./surroundings.ts";

/** Their addresses are the Services': of kube-proxy in IPVS mode, and of kube-router. */
const ipvsDevices: ReadonlySet<string> = new Set(["kube-ipvs0", "kube-dummy-if"]);

/** Whether a device is a proxy's, live or left, that serves by IPVS and gives it all ClusterIPs. */
export const isIpvsDevice = (name: string | undefined): boolean =>
  name !== undefined && ipvsDevices.has(name);

/**
 * The addresses that devices of this node have, with the name of one that has it each: what is sent
 * to them is somebody's here (PF-45). Not those that an IPVS proxy has put there.
 */
export function boundAddressesOf({ links, addresses }: Surroundings): ReadonlyMap<string, string> {
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const bound = addresses.flatMap(({ address, device, scope }) => {
    const name = names.get(device);
    const isOwned = scope === "global" && name !== undefined && !isIpvsDevice(name);
    return isOwned ? [[address, name] as const] : [];
  });
  return new Map(bound);
}
