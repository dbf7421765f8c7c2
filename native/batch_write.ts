import { addon } from "./addon.ts";
import { ENOENT, lacksBatch } from "./batch.ts";
import { ArgumentError, BatchError } from "./errors.ts";
import type { BpfMap } from "./map.ts";

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
