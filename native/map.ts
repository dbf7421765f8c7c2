import { readFileSync } from "node:fs";
import { addon, type Handle, KIND } from "./addon.ts";
import type { MapBatch } from "./batch.ts";
import { entries, lookupBatch } from "./batch_read.ts";
import { deleteBatch, updateBatch } from "./batch_write.ts";
import { ArgumentError, BpfError, check } from "./errors.ts";
import { type MapType, mapTypeName, mapTypeNumber, type OrUnknown } from "./names.ts";
import { type OpenPinnedOptions, openPinned, pin } from "./pin.ts";

export interface MapInfo {
  readonly id: number;
  readonly type: OrUnknown<MapType>;
  /** At most 15 characters: the kernel cuts the rest. */
  readonly name: string;
  /** In bytes. */
  readonly keySize: number;
  /** In bytes, of one CPU's value in per-CPU maps. See `BpfMap.valueBytes`. */
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export interface MapOptions {
  readonly type: MapType;
  readonly name?: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_*; see MAP_FLAGS. */
  readonly flags?: number;
  /** The pattern of the inner maps, for maps of maps. */
  readonly inner?: BpfMap;
}

/** Whether the key may, must not or must be there already. */
export type UpdateMode = "any" | "noexist" | "exist";

const UPDATE_FLAGS: Readonly<Record<UpdateMode, number>> = { any: 0, noexist: 1, exist: 2 };
const PER_CPU: readonly string[] = [
  "percpu_hash",
  "percpu_array",
  "lru_percpu_hash",
  "percpu_cgroup_storage",
];

/**
 * A map in the kernel, through a descriptor of this process. Closing it leaves the map to its pins
 * and programs.
 */
export class BpfMap {
  readonly info: MapInfo;
  /**
   * The length of a value buffer: `valueSize`, or in per-CPU maps one value for each possible CPU,
   * each rounded up to 8 bytes.
   */
  readonly valueBytes: number;
  readonly handle: Handle;
  #mapping: ArrayBuffer | undefined;

  /** Of a handle that this library made; see `createMap`, `BpfMap.openPinned`, `LoadedObject`. */
  constructor(handle: Handle, name?: string) {
    this.handle = handle;
    const info = check("map.info", name ?? "map", addon.mapInfo(handle));
    this.info = { ...info, name: name ?? info.name, type: mapTypeName(info.type) };
    this.valueBytes = PER_CPU.includes(this.info.type)
      ? roundUp8(info.valueSize) * possibleCpus()
      : info.valueSize;
  }

  static openPinned(path: string, options?: OpenPinnedOptions): BpfMap {
    return openPinned(KIND.map, path, options, (handle) => new BpfMap(handle));
  }

  /** Needs CAP_SYS_ADMIN. */
  static openById(id: number): BpfMap {
    return new BpfMap(check("map.open", `id ${id}`, addon.openById(KIND.map, id)));
  }

  /** What the kernel charges for the map now, preallocation included. */
  get memoryBytes(): number {
    if (this.handle.fd < 0) throw this.#error("map.info", 9);
    const text = readFileSync(`/proc/self/fdinfo/${this.handle.fd}`, "latin1");
    return Number(/^memlock:\s*(\d+)$/m.exec(text)?.[1] ?? 0);
  }

  lookup(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.valueBytes);
    return this.lookupInto(key, value) ? value : undefined;
  }

  /** False where there is no such key; `value` is then as it was. */
  lookupInto(key: Uint8Array, value: Uint8Array): boolean {
    this.#checkKey(key);
    this.#checkValue(value);
    return this.#found("map.lookup", addon.mapLookup(this.handle, key, value));
  }

  /** Takes an element out of a hash (kernel 5.14), queue or stack (key of length 0). */
  lookupAndDelete(key: Uint8Array): Uint8Array | undefined {
    this.#checkKey(key);
    const value = new Uint8Array(this.valueBytes);
    const result = addon.mapLookupAndDelete(this.handle, key, value);
    return this.#found("map.lookupAndDelete", result) ? value : undefined;
  }

  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode = "any"): void {
    this.#checkKey(key);
    this.#checkValue(value);
    const flags = UPDATE_FLAGS[mode];
    if (flags === undefined) throw new ArgumentError(`no update mode is called ${String(mode)}`);
    check("map.update", this.info.name, addon.mapUpdate(this.handle, key, value, flags));
  }

  /** False where there was no such key. */
  delete(key: Uint8Array): boolean {
    this.#checkKey(key);
    return this.#found("map.delete", addon.mapDelete(this.handle, key));
  }

  /**
   * Every element that stands while the iteration lasts, exactly once; of those that come or go
   * meanwhile, some. Hashes are read in batches (kernel 5.6), or else key by key: there a key
   * deleted under the iteration makes the kernel start over, and what was seen is left out.
   */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    yield* entries(this);
  }

  *keys(): Generator<Uint8Array, void, undefined> {
    for (const [key] of entries(this)) yield key;
  }

  /** The whole map in chunks of about `size` elements. Buffers are reused by the next chunk. */
  *lookupBatch(size = 256): Generator<MapBatch, void, undefined> {
    yield* lookupBatch(this, size);
  }

  /**
   * Writes `count` elements that lie end to end in the two buffers, and gives their number.
   * One call where the kernel has batches for this kind of map (hash and array: 5.6, per-CPU array:
   * 5.13), one call an element otherwise.
   * @throws {BatchError} whose `done` says how many are through.
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, count?: number, mode?: UpdateMode): number {
    const flags = UPDATE_FLAGS[mode ?? "any"];
    return updateBatch(this, keys, values, count, flags);
  }

  /** Deletes `count` keys and gives how many of them were there. Falls back as updateBatch does. */
  deleteBatch(keys: Uint8Array, count?: number): number {
    return deleteBatch(this, keys, count);
  }

  /**
   * The memory of an array map made with BPF_F_MMAPABLE (kernel 5.5), element i at i x `stride`.
   * Every call gives the same ArrayBuffer; it keeps the map alive by itself until `unmap`, or until
   * nothing refers to it. 8-byte aligned stores by `BigUint64Array` or `Atomics` are seen whole by
   * programs.
   */
  mmap(): ArrayBuffer {
    this.#mapping ??= check("map.mmap", this.info.name, addon.mapMmap(this.handle));
    return this.#mapping;
  }

  /** Detaches the ArrayBuffer of `mmap`: views of it have length 0 from here on. */
  unmap(): void {
    this.#mapping?.transfer(0);
    this.#mapping = undefined;
  }

  /** From one element to the next in `mmap`: the value size rounded up to 8. */
  get stride(): number {
    return roundUp8(this.info.valueSize);
  }

  /** No more writes from user space, for good (kernel 5.2). */
  freeze(): void {
    check("map.freeze", this.info.name, addon.mapFreeze(this.handle));
  }

  pin(path: string): void {
    pin(this.handle, KIND.map, path);
  }

  /** Idempotent. A mapping made before stays valid. */
  close(): void {
    this.handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #found(operation: string, result: number): boolean {
    if (result === 0) return true;
    if (result === -2) return false;
    throw this.#error(operation, -result);
  }

  #error(operation: string, errno: number): BpfError {
    return new BpfError({ operation, target: this.info.name, errno });
  }

  #checkKey(key: Uint8Array): void {
    checkLength("a key", this, key, this.info.keySize);
  }

  #checkValue(value: Uint8Array): void {
    checkLength("a value", this, value, this.valueBytes);
  }
}

/** Makes a map without any object. */
export function createMap(options: MapOptions): BpfMap {
  const { type, name = "", keySize, valueSize, maxEntries, flags = 0, inner } = options;
  const handle = addon.mapCreate(
    mapTypeNumber(type),
    name,
    keySize,
    valueSize,
    maxEntries,
    flags,
    inner?.handle,
  );
  return new BpfMap(check("map.create", name === "" ? type : name, handle));
}

/** CPUs that could ever come online: how many values a per-CPU map holds for a key. */
export function possibleCpus(): number {
  cpus ??= check("possibleCpus", "/sys/devices/system/cpu/possible", addon.possibleCpus());
  return cpus;
}

let cpus: number | undefined;

function checkLength(what: string, map: BpfMap, bytes: Uint8Array, length: number): void {
  if (!(bytes instanceof Uint8Array)) {
    throw new ArgumentError(`${what} of ${map.info.name} must be a Uint8Array`);
  }
  if (bytes.byteLength !== length) {
    throw new ArgumentError(
      `${what} of ${map.info.name} has ${length} bytes, not ${bytes.byteLength}`,
    );
  }
}

function roundUp8(size: number): number {
  return Math.ceil(size / 8) * 8;
}
