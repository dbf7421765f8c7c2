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
  #held: ReadonlyMap<string, number>;
  #addresses: readonly NodeAddress[] | undefined;

  constructor(map: NodeAddressMap) {
    this.#map = map;
    this.#held = this.#read();
  }

  /** What was true before stays so until all that is new is there. @throws {BpfError} */
  apply(addresses: readonly NodeAddress[]): void {
    this.#addresses = addresses;
    const held = new Map(this.#held);
    this.#held = held;
    const wanted = new Map(addresses.map((each) => [each.address, flagsOf(each)]));
    for (const [address, flags] of wanted) {
      if (held.get(address) === flags) continue;
      this.#map.update(addressOrZero(address), flags);
      held.set(address, flags);
    }
    for (const address of held.keys()) {
      if (wanted.has(address)) continue;
      this.#map.delete(addressOrZero(address));
      held.delete(address);
    }
  }

  /** Mends what is not as it was written, and gives the addresses (KP-54). @throws {BpfError} */
  audit(): readonly string[] {
    if (this.#addresses === undefined) return [];
    const [was, is] = [this.#held, this.#read()];
    const all = new Set([...was.keys(), ...is.keys()]);
    const wrong = [...all].filter((address) => was.get(address) !== is.get(address));
    this.#held = is;
    if (wrong.length > 0) this.apply(this.#addresses);
    return wrong;
  }

  #read(): ReadonlyMap<string, number> {
    const entries = Array.from(this.#map.entries());
    return new Map(entries.map(([key, flags]) => [addressText(key, 0), flags]));
  }
}

const flagsOf = ({ nodePort }: NodeAddress): number =>
  NodeAddressFlag.ADDRESS_LOCAL | (nodePort ? NodeAddressFlag.ADDRESS_NODE_PORT : 0);
