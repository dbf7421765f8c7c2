import { addon } from "./addon.ts";
import { ArgumentError, BatchError, BpfError } from "./errors.ts";
import type { BpfMap } from "./map.ts";

/** Elements that lie end to end; only the first `count` places are meant. */
export interface MapBatch {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}

const MOST_PER_CALL = 1 << 20;
const ENOENT = 2;
const EINVAL = 22;
const ENOSPC = 28;
const ENOTSUPP = 524;

/** A kernel without a batch form says one of these before the first element. */
const lacksBatch = (errno: number): boolean => errno === EINVAL || errno === ENOTSUPP;

const errorOf = (map: BpfMap, operation: string, errno: number): BpfError =>
  new BpfError({ operation, target: map.info.name, errno });

export function* lookupBatch(map: BpfMap, size: number): Generator<MapBatch, void, undefined> {
  if (!Number.isInteger(size) || size < 1 || size > MOST_PER_CALL) {
    throw new ArgumentError(`a batch holds 1 to ${MOST_PER_CALL} elements`);
  }
  const { keySize } = map.info;
  let capacity = size;
  let keys = new Uint8Array(capacity * keySize);
  let values = new Uint8Array(capacity * map.valueBytes);
  const count = new Uint32Array(1);
  let next = new Uint8Array(Math.max(4, keySize));
  let position: Uint8Array<ArrayBuffer> | undefined;
  for (;;) {
    count[0] = capacity;
    const errno = -addon.mapLookupBatch(map.handle, position, next, keys, values, count);
    if (errno === ENOSPC) {
      // One bucket of the hash holds more than the buffers do.
      capacity *= 2;
      keys = new Uint8Array(capacity * keySize);
      values = new Uint8Array(capacity * map.valueBytes);
      continue;
    }
    if (lacksBatch(errno) && position === undefined) {
      yield* lookupOneByOne(map, size);
      return;
    }
    if (errno !== 0 && errno !== ENOENT) throw errorOf(map, "map.lookupBatch", errno);
    const found = count[0] ?? 0;
    if (found > 0) yield { keys, values, count: found };
    if (errno === ENOENT) return;
    [position, next] = [next, position ?? new Uint8Array(next.length)];
  }
}

function* lookupOneByOne(map: BpfMap, size: number): Generator<MapBatch, void, undefined> {
  const { keySize } = map.info;
  const keys = new Uint8Array(size * keySize);
  const values = new Uint8Array(size * map.valueBytes);
  let count = 0;
  for (const key of keysOneByOne(map)) {
    const value = values.subarray(count * map.valueBytes, (count + 1) * map.valueBytes);
    if (!map.lookupInto(key, value)) continue;
    keys.set(key, count * keySize);
    count += 1;
    if (count < size) continue;
    yield { keys, values, count };
    count = 0;
  }
  if (count > 0) yield { keys, values, count };
}

/** The kernel starts over after a key that is gone, so keys already seen are left out. */
function* keysOneByOne(map: BpfMap): Generator<Uint8Array, void, undefined> {
  const seen = new Set<string>();
  let key: Uint8Array | undefined;
  let restarts = 0;
  for (;;) {
    const next = new Uint8Array(map.info.keySize);
    const errno = -addon.mapNextKey(map.handle, key, next);
    if (errno === ENOENT) return;
    if (errno !== 0) throw errorOf(map, "map.nextKey", errno);
    key = next;
    const text = Buffer.from(next).toString("latin1");
    if (!seen.has(text)) {
      seen.add(text);
      restarts = 0;
      yield next;
    } else if (++restarts > map.info.maxEntries) return;
  }
}

export function* entries(
  map: BpfMap,
): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
  const { keySize } = map.info;
  const valueSize = map.valueBytes;
  for (const { keys, values, count } of lookupBatch(map, 256)) {
    for (let i = 0; i < count; i++) {
      yield [
        keys.slice(i * keySize, (i + 1) * keySize),
        values.slice(i * valueSize, (i + 1) * valueSize),
      ];
    }
  }
}

export function updateBatch(
  map: BpfMap,
  keys: Uint8Array,
  values: Uint8Array,
  given: number | undefined,
  flags: number,
): number {
  const { keySize } = map.info;
  const valueSize = map.valueBytes;
  const wanted = elements(map, "keys", keys, keySize, given);
  elements(map, "values", values, valueSize, wanted);
  if (wanted === 0) return 0;
  const count = Uint32Array.of(wanted);
  const errno = -addon.mapUpdateBatch(map.handle, keys, values, count, flags);
  if (errno === 0) return wanted;
  const through = doneOf(count, wanted);
  if (through > 0 || !lacksBatch(errno)) {
    throw stopped(map, "map.updateBatch", errno, through);
  }
  for (let i = 0; i < wanted; i++) {
    const key = keys.subarray(i * keySize, (i + 1) * keySize);
    const value = values.subarray(i * valueSize, (i + 1) * valueSize);
    const result = addon.mapUpdate(map.handle, key, value, flags);
    if (result !== 0) throw stopped(map, "map.updateBatch", -result, i);
  }
  return wanted;
}

/**
 * The kernel's form stops at the first key that is not there; what follows it is deleted by another
 * call, so that one absent key does not keep the others.
 */
export function deleteBatch(map: BpfMap, keys: Uint8Array, given: number | undefined): number {
  const { keySize } = map.info;
  const wanted = elements(map, "keys", keys, keySize, given);
  const count = new Uint32Array(1);
  let deleted = 0;
  for (let at = 0; at < wanted; ) {
    count[0] = wanted - at;
    const rest = keys.subarray(at * keySize, wanted * keySize);
    const errno = -addon.mapDeleteBatch(map.handle, rest, count);
    const done = errno === 0 ? wanted - at : doneOf(count, wanted - at);
    if (done === 0 && lacksBatch(errno)) {
      return deleted + deleteOneByOne(map, rest, wanted - at, at);
    }
    deleted += done;
    if (errno !== 0 && errno !== ENOENT) {
      throw stopped(map, "map.deleteBatch", errno, at + done);
    }
    at += errno === ENOENT ? done + 1 : done;
  }
  return deleted;
}

function deleteOneByOne(map: BpfMap, keys: Uint8Array, wanted: number, before: number): number {
  const { keySize } = map.info;
  let deleted = 0;
  for (let i = 0; i < wanted; i++) {
    const result = addon.mapDelete(map.handle, keys.subarray(i * keySize, (i + 1) * keySize));
    if (result === 0) deleted += 1;
    else if (result !== -ENOENT) {
      throw stopped(map, "map.deleteBatch", -result, before + i);
    }
  }
  return deleted;
}

/** A kernel that fails before the first element may leave the count as it was. */
function doneOf(count: Uint32Array, wanted: number): number {
  const done = count[0] ?? 0;
  return done < wanted ? done : 0;
}

const stopped = (map: BpfMap, operation: string, errno: number, done: number): BatchError =>
  new BatchError({ operation, target: map.info.name, errno }, done);

function elements(
  map: BpfMap,
  what: string,
  bytes: Uint8Array,
  size: number,
  given: number | undefined,
): number {
  if (!(bytes instanceof Uint8Array)) throw new ArgumentError(`${what} must be a Uint8Array`);
  const count = given ?? bytes.byteLength / size;
  if (!Number.isInteger(count) || count < 0 || count > 0xffff_ffff) {
    throw new ArgumentError(`${what} of ${map.info.name} are no whole number of elements`);
  }
  if (bytes.byteLength < count * size) {
    const needed = count * size;
    throw new ArgumentError(
      `${count} ${what} of ${map.info.name} take ${needed} bytes, not ${bytes.byteLength}`,
    );
  }
  return count;
}
