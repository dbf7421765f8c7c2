import {
  BackendArray,
  BackendFlag,
  type Frontend,
  type FrontendKey,
  frontendKeyCodec,
  ServiceArray,
  ServiceFlag,
  type ServiceName,
  serviceNameCodec,
} from "../../bpf/build/layout.ts";
import type { Protocol } from "../model/address.ts";
import { addressBytes, addressText } from "../model/ip.ts";
import { MapError } from "./map_error.ts";
import type { FrontendMap, NameMap, ServiceMaps } from "./maps.ts";
import { protocolNumber } from "./protocol.ts";
import { unpackSlice } from "./slice.ts";

export interface TwinCapacity {
  readonly services: number;
  readonly backends: number;
  readonly slots: number;
  readonly frontends: number;
}

/**
 * Asked before each batch; the number of its entries that go through before it fails, or undefined
 * for all of them.
 */
export type FaultPlan = (map: "frontends" | "names", entries: number) => number | undefined;

/** What a socket that asks for a frontend gets. */
export type Lookup =
  | { readonly kind: "unknown" }
  | { readonly kind: "refused"; readonly service: number }
  | {
      readonly kind: "backend";
      readonly service: number;
      readonly backend: number;
      readonly address: string;
      readonly port: number;
      /** The record is dead: only a lookup from before the latest publishing may see that. */
      readonly retired: boolean;
    };

/** The service maps in memory, as the kernel would hold them. */
export class Twin implements ServiceMaps {
  readonly services: ServiceArray;
  readonly backends: BackendArray;
  readonly slots: Uint32Array;
  readonly frontends: TwinFrontends;
  readonly names: NameMap;
  readonly #readers: (() => void)[] = [];

  constructor(capacity: TwinCapacity, faults: FaultPlan = () => undefined) {
    this.services = new ServiceArray(new ArrayBuffer(capacity.services * ServiceArray.stride));
    this.backends = new BackendArray(new ArrayBuffer(capacity.backends * BackendArray.stride));
    this.slots = new Uint32Array(capacity.slots);
    this.frontends = new TwinFrontends(capacity.frontends, faults);
    this.names = new TwinNames(capacity.services, faults);
  }

  /** Ends with the next call of `elapse`. */
  gracePeriod(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#readers.push(resolve);
    return promise;
  }

  /** Ends the grace periods asked for until now, and says how many there were. */
  elapse(): number {
    const readers = this.#readers.splice(0);
    for (const resolve of readers) resolve();
    return readers.length;
  }

  /** What the programs do for a socket of this node. `pick` chooses below the count it is given. */
  lookup(
    address: string,
    port: number,
    protocol: Protocol,
    pick: (count: number) => number,
  ): Lookup {
    return this.reader(address, port, protocol, pick)();
  }

  /**
   * The same lookup stopped after it has read the slice word, as a program on another CPU may be:
   * what it returns goes on from there. It has to be called before the next grace period ends.
   */
  reader(
    address: string,
    port: number,
    protocol: Protocol,
    pick: (count: number) => number,
  ): () => Lookup {
    const bytes = new Uint8Array(16);
    addressBytes(address, bytes, 0);
    const key = { address: bytes, port, protocol: protocolNumber[protocol], scope: 0 };
    const found = this.frontends.get(key);
    if (found === undefined) return () => ({ kind: "unknown" });
    const { service } = found;
    const local = (this.services.flags(service) & ServiceFlag.INTERNAL_LOCAL) !== 0;
    const word = local ? this.services.local(service) : this.services.cluster(service);
    const { offset, count } = unpackSlice(word);
    if (count === 0) return () => ({ kind: "refused", service });
    const slot = offset + pick(count);
    return () => this.#at(service, slot);
  }

  #at(service: number, slot: number): Lookup {
    const backend = this.slots[slot];
    if (backend === undefined || backend >= this.backends.length) return { kind: "unknown" };
    const eligible = BackendFlag.IN_CLUSTER | BackendFlag.IN_LOCAL;
    return {
      kind: "backend",
      service,
      backend,
      address: addressText(this.backends.address(backend), 0),
      port: this.backends.port(backend),
      retired: (this.backends.flags(backend) & eligible) === 0,
    };
  }
}

class TwinFrontends implements FrontendMap {
  readonly capacity: number;
  readonly #faults: FaultPlan;
  readonly #entries = new Map<string, readonly [FrontendKey, Frontend]>();

  constructor(capacity: number, faults: FaultPlan) {
    this.capacity = capacity;
    this.#faults = faults;
  }

  get(key: FrontendKey): Frontend | undefined {
    return this.#entries.get(encoded(key))?.[1];
  }

  entries(): Iterable<readonly [FrontendKey, Frontend]> {
    return this.#entries.values();
  }

  update(entries: readonly (readonly [FrontendKey, Frontend])[]): void {
    runBatch("frontends", entries, this.#faults, (entry, done) => {
      const key = encoded(entry[0]);
      if (this.#entries.size >= this.capacity && !this.#entries.has(key)) {
        throw new MapError("full", "frontends", done, `frontends: all ${this.capacity} are taken`);
      }
      this.#entries.set(key, entry);
    });
  }

  delete(keys: readonly FrontendKey[]): void {
    runBatch("frontends", keys, this.#faults, (key) => this.#entries.delete(encoded(key)));
  }
}

class TwinNames implements NameMap {
  readonly #faults: FaultPlan;
  readonly #records: Uint8Array;

  constructor(capacity: number, faults: FaultPlan) {
    this.#faults = faults;
    this.#records = new Uint8Array(capacity * serviceNameCodec.size);
  }

  *entries(): Iterable<readonly [number, ServiceName]> {
    const { size } = serviceNameCodec;
    for (let index = 0; index < this.#records.length / size; index++) {
      const name = serviceNameCodec.decode(this.#records, index * size);
      if (name.family !== 0) yield [index, name];
    }
  }

  update(entries: readonly (readonly [number, ServiceName])[]): void {
    runBatch("names", entries, this.#faults, ([index, name]) =>
      serviceNameCodec.encode(name, this.#records, index * serviceNameCodec.size),
    );
  }
}

function runBatch<T>(
  map: "frontends" | "names",
  batch: readonly T[],
  faults: FaultPlan,
  write: (entry: T, done: number) => void,
): void {
  const stop = batch.length === 0 ? undefined : faults(map, batch.length);
  for (const [done, entry] of batch.entries()) {
    if (done === stop) throw new MapError("failed", map, done, `${map}: injected fault`);
    write(entry, done);
  }
}

function encoded(key: FrontendKey): string {
  const bytes = new Uint8Array(frontendKeyCodec.size);
  frontendKeyCodec.encode(key, bytes);
  return String.fromCharCode(...bytes);
}
