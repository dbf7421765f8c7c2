import { addon } from "./addon.ts";
import { ENOENT, lacksBatch, type MapBatch, mapError } from "./batch.ts";
import { ArgumentError } from "./errors.ts";
import type { BpfMap } from "./map.ts";

const ENOSPC = 28;
const MOST_PER_CALL = 1 << 20;

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
    if (errno !== 0 && errno !== ENOENT) throw mapError(map, "map.lookupBatch", errno);
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
    if (errno !== 0) throw mapError(map, "map.nextKey", errno);
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
