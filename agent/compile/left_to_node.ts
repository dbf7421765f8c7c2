import type { ServiceAddresses } from "./address.ts";

/** A ClusterIP that this node has itself: what is sent to it is left to whoever has bound it there. */
export interface LeftToNode {
  readonly address: string;
  /** The device that has the address. */
  readonly device: string;
}

const NONE: ReadonlyMap<string, string> = new Map();

/**
 * The addresses without a ClusterIP that a device of this node has: a cache such as NodeLocal
 * DNSCache binds it in order to answer in the Service's place, and would be passed by (PF-45). An
 * address from outside stays, since balancers may bind those to be sent what is meant for the Service.
 */
export function leaveToNode(
  addresses: ServiceAddresses,
  bound = NONE,
): { readonly addresses: ServiceAddresses; readonly left: readonly LeftToNode[] } {
  const left = [...addresses].flatMap(([address, kind]) => {
    const device = kind === "ClusterIP" ? bound.get(address) : undefined;
    return device === undefined ? [] : [{ address, device }];
  });
  if (left.length === 0) return { addresses, left };
  const isLeft = (address: string) => left.some((it) => it.address === address);
  return { addresses: new Map([...addresses].filter(([address]) => !isLeft(address))), left };
}
