import { NodeAddressFlag } from "../../bpf/build/layout.ts";
import { addressText } from "../model/ip.ts";
import type { NodeAddress } from "../network/state.ts";
import { addressOrZero } from "./address_bytes.ts";

/** `node_addresses` of `bpf/maps.h`: flags by the 16 bytes of an address. */
export interface NodeAddressMap {
  entries(): Iterable<readonly [Uint8Array, number]>;
  update(address: Uint8Array, flags: number): void;
  delete(address: Uint8Array): boolean;
}

/** Keeps the map in step with the node's addresses. */
export class NodeAddressTable {
  readonly #map: NodeAddressMap;
  /** What the map holds, by the address's text. */
  readonly #held: Map<string, number>;

  constructor(map: NodeAddressMap) {
    this.#map = map;
    this.#held = new Map([...map.entries()].map(([key, flags]) => [addressText(key, 0), flags]));
  }

  /** What was true before stays so until all that is new is there. @throws {BpfError} */
  apply(addresses: readonly NodeAddress[]): void {
    const wanted = new Map(addresses.map((each) => [each.address, flagsOf(each)]));
    for (const [address, flags] of wanted) {
      if (this.#held.get(address) === flags) continue;
      this.#map.update(addressOrZero(address), flags);
      this.#held.set(address, flags);
    }
    for (const address of this.#held.keys()) {
      if (wanted.has(address)) continue;
      this.#map.delete(addressOrZero(address));
      this.#held.delete(address);
    }
  }
}

const flagsOf = ({ nodePort }: NodeAddress): number =>
  NodeAddressFlag.ADDRESS_LOCAL | (nodePort ? NodeAddressFlag.ADDRESS_NODE_PORT : 0);
