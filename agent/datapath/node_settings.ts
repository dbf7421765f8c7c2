import { type SettingsArray, SettingsFlag } from "../../bpf/build/layout.ts";
import { addressText } from "../model/ip.ts";
import type { NodeNetwork } from "../network/state.ts";
import { addressOrZero } from "./address_bytes.ts";

/** Where a fact of the whole node is kept: the map has one element. */
const NODE = 0;

export interface NodeFacts {
  /** Cookie of the node's network namespace; undefined: the kernel does not tell (before 5.14). */
  readonly netnsCookie: bigint | undefined;
  readonly clusterIpFromOutside: boolean;
}

export function setNodeFacts(settings: SettingsArray, facts: NodeFacts): void {
  settings.setHostNetns(NODE, facts.netnsCookie ?? 0n);
  const flag = SettingsFlag.CLUSTER_IP_FROM_OUTSIDE;
  const others = settings.flags(NODE) & ~flag;
  settings.setFlags(NODE, facts.clusterIpFromOutside ? others | flag : others);
}

/** Without an address of a family what would be masqueraded by it is dropped and counted. */
export function setPrimary(settings: SettingsArray, primary: NodeNetwork["primary"]): void {
  settings.setNodeV4(NODE, addressOrZero(primary.IPv4));
  settings.setNodeV6(NODE, addressOrZero(primary.IPv6));
}

/** What an agent before this one took for the node's own addresses; canonical text. */
export function primaryIn(settings: SettingsArray): readonly string[] {
  const set = [settings.nodeV4(NODE), settings.nodeV6(NODE)];
  return set.filter((bytes) => bytes.some((byte) => byte !== 0)).map((it) => addressText(it, 0));
}
