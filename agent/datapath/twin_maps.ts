import {
  type Codec,
  type Frontend,
  type FrontendKey,
  frontendKeyCodec,
  type ServiceName,
  serviceNameCodec,
} from "../../bpf/build/layout.ts";
import { MapError } from "./map_error.ts";
import type { FrontendMap, NameMap, RangeMap } from "./maps.ts";

type BatchMap = "frontends" | "names" | "source_ranges" | "service_cidrs";

/**
 * Asked before each batch; the number of its entries that go through before it fails, or undefined
 * for all of them.
 */
export type FaultPlan = (map: BatchMap, entries: number) => number | undefined;

export class TwinFrontends implements FrontendMap {
  readonly capacity: number;
  readonly #faults: FaultPlan;
  readonly #entries = new Map<string, readonly [FrontendKey, Frontend]>();

  constructor(capacity: number, faults: FaultPlan) {
    this.capacity = capacity;
    this.#faults = faults;
  }

  get(key: FrontendKey): Frontend | undefined {
    return this.#entries.get(encoded(frontendKeyCodec, key))?.[1];
  }

  entries(): Iterable<readonly [FrontendKey, Frontend]> {
    return this.#entries.values();
  }

  update(entries: readonly (readonly [FrontendKey, Frontend])[]): void {
    runBatch("frontends", entries, this.#faults, (entry, done) => {
      const key = encoded(frontendKeyCodec, entry[0]);
      if (this.#entries.size >= this.capacity && !this.#entries.has(key)) {
        throw new MapError("full", "frontends", done, `frontends: all ${this.capacity} are taken`);
      }
      this.#entries.set(key, entry);
    });
  }

  delete(keys: readonly FrontendKey[]): void {
    runBatch("frontends", keys, this.#faults, (key) =>
      this.#entries.delete(encoded(frontendKeyCodec, key)),
    );
  }
}

export class TwinNames implements NameMap {
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

/** In the kernel it is a tree of prefixes, for which an array stands here. */
export class TwinRanges<Key extends { readonly prefixLength: number }> implements RangeMap<Key> {
  readonly capacity: number;
  readonly #name: BatchMap;
  readonly #codec: Codec<Key>;
  readonly #faults: FaultPlan;
  readonly #ranges = new Map<string, Key>();

  constructor(name: BatchMap, codec: Codec<Key>, capacity: number, faults: FaultPlan) {
    this.capacity = capacity;
    this.#name = name;
    this.#codec = codec;
    this.#faults = faults;
  }

  /** One of them is a prefix of the longest possible key. */
  holds(key: Key): boolean {
    const whole = this.#bits(key);
    const isIn = (range: Key) => isPrefix(this.#bits(range), whole, range.prefixLength);
    return this.#ranges.values().some(isIn);
  }

  entries(): Iterable<Key> {
    return this.#ranges.values();
  }

  add(ranges: readonly Key[]): void {
    runBatch(this.#name, ranges, this.#faults, (range, done) => {
      const key = encoded(this.#codec, range);
      if (this.#ranges.size >= this.capacity && !this.#ranges.has(key)) {
        const message = `${this.#name}: all ${this.capacity} are taken`;
        throw new MapError("full", this.#name, done, message);
      }
      this.#ranges.set(key, range);
    });
  }

  delete(ranges: readonly Key[]): void {
    runBatch(this.#name, ranges, this.#faults, (range) =>
      this.#ranges.delete(encoded(this.#codec, range)),
    );
  }

  /** What follows the length. */
  #bits(key: Key): Uint8Array {
    const bytes = new Uint8Array(this.#codec.size);
    this.#codec.encode(key, bytes);
    return bytes.subarray(LENGTH_BYTES);
  }
}

const LENGTH_BYTES = 4;

function isPrefix(of: Uint8Array, address: Uint8Array, bits: number): boolean {
  for (let bit = 0; bit < bits; bit++) {
    const mask = 0x80 >> (bit & 7);
    if ((((of[bit >> 3] ?? 0) ^ (address[bit >> 3] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

function runBatch<T>(
  map: BatchMap,
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

function encoded<T>(codec: Codec<T>, key: T): string {
  const bytes = new Uint8Array(codec.size);
  codec.encode(key, bytes);
  return String.fromCharCode(...bytes);
}
