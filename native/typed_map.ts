import { type Codec, encoded } from "./codec.ts";
import { ArgumentError } from "./errors.ts";
import { type BpfMap, possibleCpus, type UpdateMode } from "./map.ts";

/** A map whose keys and values are what codecs make of the bytes. */
export interface TypedMap<K, V> {
  readonly map: BpfMap;
  lookup(key: K): V | undefined;
  update(key: K, value: V, mode?: UpdateMode): void;
  /** One call for many, see `BpfMap.updateBatch`. */
  updateAll(entries: Iterable<readonly [K, V]>, mode?: UpdateMode): number;
  delete(key: K): boolean;
  deleteAll(keys: Iterable<K>): number;
  keys(): Generator<K, void, undefined>;
  entries(): Generator<[key: K, value: V], void, undefined>;
}

/**
 * Values of per-CPU maps take `perCpu(codec)`.
 * @throws {ArgumentError} where a codec's size is not the map's.
 */
export function typedMap<K, V>(map: BpfMap, key: Codec<K>, value: Codec<V>): TypedMap<K, V> {
  checkSize(map, "key", key.size, map.info.keySize);
  checkSize(map, "value", value.size, map.valueBytes);
  return {
    map,
    lookup(wanted) {
      const bytes = map.lookup(encoded(key, wanted));
      return bytes && value.decode(bytes);
    },
    update: (wanted, next, mode) => map.update(encoded(key, wanted), encoded(value, next), mode),
    updateAll(entries, mode) {
      const all = [...entries];
      const keys = join(key, all, ([wanted]) => wanted);
      const values = join(value, all, ([, next]) => next);
      return map.updateBatch(keys, values, all.length, mode);
    },
    delete: (wanted) => map.delete(encoded(key, wanted)),
    deleteAll(keys) {
      const all = [...keys];
      return map.deleteBatch(
        join(key, all, (wanted) => wanted),
        all.length,
      );
    },
    *keys() {
      for (const bytes of map.keys()) yield key.decode(bytes);
    },
    *entries() {
      for (const [bytes, held] of map.entries()) yield [key.decode(bytes), value.decode(held)];
    },
  };
}

/** One value for each possible CPU, each padded to 8 bytes. */
export function perCpu<T>(codec: Codec<T>): Codec<readonly T[]> {
  const cpus = possibleCpus();
  const stride = Math.ceil(codec.size / 8) * 8;
  const part = (bytes: Uint8Array, cpu: number) =>
    bytes.subarray(cpu * stride, cpu * stride + codec.size);
  return {
    size: stride * cpus,
    encode(values, into) {
      if (values.length !== cpus) throw new ArgumentError(`there are ${cpus} possible CPUs`);
      into.fill(0);
      for (const [cpu, value] of values.entries()) codec.encode(value, part(into, cpu));
    },
    decode: (from) => Array.from({ length: cpus }, (_, cpu) => codec.decode(part(from, cpu))),
  };
}

function join<T, I>(codec: Codec<T>, items: readonly I[], pick: (item: I) => T): Uint8Array {
  const bytes = new Uint8Array(codec.size * items.length);
  for (const [i, item] of items.entries()) {
    codec.encode(pick(item), bytes.subarray(i * codec.size, (i + 1) * codec.size));
  }
  return bytes;
}

function checkSize(map: BpfMap, what: string, codec: number, wanted: number): void {
  if (codec === wanted) return;
  throw new ArgumentError(`a ${what} of ${map.info.name} has ${wanted} bytes, its codec ${codec}`);
}
