import {
  type Codec,
  type Frontend,
  type FrontendKey,
  frontendKeyCodec,
  type ServiceName,
  type SourceRangeKey,
  serviceNameCodec,
  sourceRangeKeyCodec,
} from "../../bpf/build/layout.ts";
import { MapError } from "./map_error.ts";
import type { FrontendMap, NameMap, SourceRangeMap } from "./maps.ts";

type BatchMap = "frontends" | "names" | "source_ranges";

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
export class TwinSourceRanges implements SourceRangeMap {
  readonly capacity: number;
  readonly #faults: FaultPlan;
  readonly #ranges = new Map<string, SourceRangeKey>();

  constructor(capacity: number, faults: FaultPlan) {
    this.capacity = capacity;
    this.#faults = faults;
  }

  holds(service: number, address: Uint8Array): boolean {
    const isIn = (range: SourceRangeKey) =>
      range.service === service &&
      isPrefix(range.address, address, range.prefixLength - SERVICE_BITS);
    return this.#ranges.values().some(isIn);
  }

  entries(): Iterable<SourceRangeKey> {
    return this.#ranges.values();
  }

  add(ranges: readonly SourceRangeKey[]): void {
    runBatch("source_ranges", ranges, this.#faults, (range, done) => {
      const key = encoded(sourceRangeKeyCodec, range);
      if (this.#ranges.size >= this.capacity && !this.#ranges.has(key)) {
        const message = `source_ranges: all ${this.capacity} are taken`;
        throw new MapError("full", "source_ranges", done, message);
      }
      this.#ranges.set(key, range);
    });
  }

  delete(ranges: readonly SourceRangeKey[]): void {
    runBatch("source_ranges", ranges, this.#faults, (range) =>
      this.#ranges.delete(encoded(sourceRangeKeyCodec, range)),
    );
  }
}

const SERVICE_BITS = 32;

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
