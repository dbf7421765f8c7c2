import { type BpfMap, createMap, isFull, MAP_FLAGS, possibleCpus } from "libbpf-ts";
import { numbers, open, u32 } from "./object.ts";

const sequence = (count: number, from = 0) =>
  u32(...Array.from({ length: count }, (_, i) => from + i));

const chunks = (map: BpfMap, size: number) => [...map.lookupBatch(size)].map(({ count }) => count);

/** In one call for all elements. */
export function batches() {
  using map = createMap({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 100 });
  const written = map.updateBatch(sequence(100), sequence(100, 7));
  const last = map.lookup(u32(99));
  const deleted = map.deleteBatch(sequence(100, 60));
  const left = [...map.keys()].length;
  let full = { isFull: false, done: 0 };
  try {
    map.updateBatch(sequence(100, 1000), sequence(100));
  } catch (error) {
    full = { isFull: isFull(error), done: Number((error as { done?: number }).done) };
  }
  return { written, last: last && numbers(last), deleted, left, full };
}

/** In one call from Linux 5.13, one by one before. */
export function perCpuBatches() {
  using map = createMap({ type: "percpu_array", keySize: 4, valueSize: 8, maxEntries: 3 });
  const words = new BigUint64Array(3 * possibleCpus()).map((_, i) => BigInt(i + 1));
  const written = map.updateBatch(u32(0, 1, 2), new Uint8Array(words.buffer));
  const values = [...map.entries()].map(([, value]) => new BigUint64Array(value.slice().buffer));
  return { written, firstCpu: values.map((value) => Number(value[0])), chunks: chunks(map, 2) };
}

/** One by one on every kernel. */
export function batchFallback() {
  using loaded = open("everything").load();
  using map = createMap({ type: "prog_array", keySize: 4, valueSize: 4, maxEntries: 8 });
  const { fd } = loaded.program("pass").handle;
  const written = map.updateBatch(u32(1, 4, 6), u32(fd, fd, fd));
  const keys = [...map.keys()].flatMap((key) => numbers(key));
  return { written, keys, chunks: chunks(map, 2), deleted: map.deleteBatch(u32(1, 2, 4)) };
}

/** Written in memory and read by system calls, and the other way round. */
export function mappedMemory() {
  const flags = MAP_FLAGS.mmapable;
  using map = createMap({ type: "array", keySize: 4, valueSize: 8, maxEntries: 1000, flags });
  const words = new BigUint64Array(map.mmap());
  Atomics.store(words, 999, 77n);
  map.update(u32(5), u32(88, 0));
  const read = map.lookup(u32(999));
  return { read: read && numbers(read), seen: Number(words[5]), stride: map.stride };
}
