import {
  BatchError,
  BpfMap,
  createMap,
  isExists,
  isFull,
  isNotFound,
  isPermission,
  MAP_FLAGS,
  type MapOptions,
  possibleCpus,
  probe,
} from "libbpf-ts";
import { describe, expect, it, onTestFinished } from "vitest";
import { errorOf, load, u32 } from "./support/object.ts";
import { bpffs } from "./support/place.ts";
import { requireRoot } from "./support/root.ts";

function create(options: Partial<MapOptions> = {}): BpfMap {
  requireRoot();
  const map = createMap({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 16, ...options });
  onTestFinished(() => map.close());
  return map;
}

const numbers = (bytes: Uint8Array | undefined) =>
  bytes && [...new Uint32Array(bytes.slice().buffer)];
const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b);
const sequence = (count: number, from = 0) =>
  u32(...Array.from({ length: count }, (_, i) => from + i));

describe("one element", () => {
  it("is written, read, deleted, and then absent", () => {
    const map = create();
    expect(map.lookup(u32(1))).toBeUndefined();
    map.update(u32(1), u32(10));
    expect(numbers(map.lookup(u32(1)))).toEqual([10]);
    expect(map.delete(u32(1))).toBe(true);
    expect(map.delete(u32(1))).toBe(false);
  });

  it("is read into a buffer of the caller's", () => {
    const map = create();
    map.update(u32(1), u32(10));
    const value = u32(99);
    expect(map.lookupInto(u32(2), value)).toBe(false);
    expect(numbers(value)).toEqual([99]);
    expect(map.lookupInto(u32(1), value)).toBe(true);
    expect(numbers(value)).toEqual([10]);
  });

  it("is updated only where it exists, or only where it does not, if asked so", () => {
    const map = create();
    expect(isNotFound(errorOf(() => map.update(u32(1), u32(1), "exist")))).toBe(true);
    map.update(u32(1), u32(1), "noexist");
    expect(isExists(errorOf(() => map.update(u32(1), u32(2), "noexist")))).toBe(true);
    map.update(u32(1), u32(3), "exist");
    expect(numbers(map.lookup(u32(1)))).toEqual([3]);
  });

  it("is taken out of hashes, queues and stacks", () => {
    const hash = create();
    hash.update(u32(1), u32(10));
    expect(numbers(hash.lookupAndDelete(u32(1)))).toEqual([10]);
    expect(hash.lookupAndDelete(u32(1))).toBeUndefined();
    const queue = create({ type: "queue", keySize: 0 });
    for (const value of [1, 2, 3]) queue.update(new Uint8Array(0), u32(value));
    expect(numbers(queue.lookupAndDelete(new Uint8Array(0)))).toEqual([1]);
    expect(numbers(queue.lookup(new Uint8Array(0)))).toEqual([2]);
  });

  it("does not fit a full map, which the error says", () => {
    const map = create({ maxEntries: 2 });
    map.updateBatch(sequence(2), sequence(2));
    const error = errorOf(() => map.update(u32(7), u32(7)));
    expect(isFull(error)).toBe(true);
    expect(error).toMatchObject({
      name: "BpfError",
      operation: "map.update",
      code: "E2BIG",
      errno: 7,
    });
  });

  it("is refused in buffers of the wrong length", () => {
    const map = create({ name: "short" });
    expect(() => map.lookup(new Uint8Array(3))).toThrow("a key of short has 4 bytes, not 3");
    expect(() => map.update(u32(1), new Uint8Array(5))).toThrow(
      "a value of short has 4 bytes, not 5",
    );
    expect(errorOf(() => map.delete(new Uint8Array(0)))).toMatchObject({
      name: "ArgumentError",
      code: "ERR_INVALID_ARG_VALUE",
    });
  });
});

describe("info", () => {
  it("tells type, sizes, flags and memory", () => {
    const map = create({
      name: "about",
      type: "array",
      flags: MAP_FLAGS.mmapable,
      maxEntries: 512,
    });
    expect(map.info).toEqual({
      id: expect.any(Number),
      type: "array",
      name: "about",
      keySize: 4,
      valueSize: 4,
      maxEntries: 512,
      flags: 1024,
    });
    expect(map.memoryBytes).toBeGreaterThanOrEqual(4096);
    expect(BpfMap.openById(map.info.id).info).toEqual(map.info);
  });
});

describe("iteration", () => {
  it("gives every element once, in batches of any size", () => {
    const map = create({ maxEntries: 5000 });
    map.updateBatch(sequence(3000), sequence(3000, 7));
    expect(sorted([...map.keys()].map((key) => numbers(key)![0]!))).toEqual(
      Array.from({ length: 3000 }, (_, i) => i),
    );
    for (const size of [1, 100, 4096]) {
      let found = 0;
      for (const { keys, values, count } of map.lookupBatch(size)) {
        const [key, value] = [numbers(keys)!, numbers(values)!];
        for (let i = 0; i < count; i++) expect(value[i]).toBe(key[i]! + 7);
        found += count;
      }
      expect(found).toBe(3000);
    }
  });

  it("goes on while what it gives is deleted", () => {
    const map = create({ maxEntries: 5000 });
    map.updateBatch(sequence(3000), sequence(3000));
    const seen = new Set<number>();
    for (const key of map.keys()) {
      seen.add(numbers(key)![0]!);
      map.delete(key);
    }
    expect(seen.size).toBe(3000);
    expect([...map.keys()]).toEqual([]);
  });

  it("of an empty map ends at once, and an array gives all its elements", () => {
    expect([...create().entries()]).toEqual([]);
    const array = create({ type: "array", maxEntries: 600 });
    array.update(u32(599), u32(5));
    const entries = [...array.entries()].map(([key, value]) => [
      numbers(key)![0],
      numbers(value)![0],
    ]);
    expect(entries).toHaveLength(600);
    expect(entries.at(-1)).toEqual([599, 5]);
  });
});

describe("batches", () => {
  it("write and delete many in one call, and count what was there", () => {
    const map = create({ maxEntries: 1000 });
    expect(map.updateBatch(sequence(1000), sequence(1000, 5))).toBe(1000);
    expect(numbers(map.lookup(u32(999)))).toEqual([1004]);
    expect(map.deleteBatch(sequence(600, 500))).toBe(500);
    expect([...map.keys()]).toHaveLength(500);
    expect(map.updateBatch(u32(1, 2, 3), u32(7, 7, 7), 2)).toBe(2);
    expect(numbers(map.lookup(u32(3)))).toEqual([8]);
    expect(map.updateBatch(new Uint8Array(0), new Uint8Array(0))).toBe(0);
  });

  it("delete the present keys between absent ones", () => {
    const map = create();
    map.updateBatch(u32(1, 3, 5), u32(0, 0, 0));
    expect(map.deleteBatch(u32(0, 1, 2, 3, 4, 5, 6))).toBe(3);
    expect([...map.keys()]).toEqual([]);
  });

  it("that stop half-way say how much is done", () => {
    const map = create({ maxEntries: 10 });
    const error = errorOf(() => map.updateBatch(sequence(20), sequence(20)));
    expect(error).toBeInstanceOf(BatchError);
    expect(isFull(error)).toBe(true);
    expect(error).toMatchObject({ done: 10 });
  });

  it("refuse buffers that are too short or no whole number of elements", () => {
    const map = create({ name: "batch" });
    expect(() => map.updateBatch(u32(1, 2), u32(1))).toThrow(
      "2 values of batch take 8 bytes, not 4",
    );
    expect(() => map.updateBatch(u32(1), u32(1), 2)).toThrow("2 keys of batch take 8 bytes, not 4");
    expect(() => map.deleteBatch(new Uint8Array(5))).toThrow("no whole number of elements");
    expect(() => [...map.lookupBatch(0)]).toThrow("1 to 1048576 elements");
  });

  it("fall back to single calls where the kernel has no batch form for the type", () => {
    expect(probe.mapBatch("prog_array").state).toBe("unsupported");
    const { programs } = load();
    const program = programs.get("pass")!;
    const map = create({ type: "prog_array", maxEntries: 8 });
    const descriptor = program.handle.fd;
    expect(map.updateBatch(u32(1, 4, 6), u32(descriptor, descriptor, descriptor))).toBe(3);
    const found = [...map.entries()].map(([key, value]) => [numbers(key)![0], numbers(value)![0]]);
    const { id } = program.info;
    expect(found).toEqual([
      [1, id],
      [4, id],
      [6, id],
    ]);
    expect([...map.lookupBatch(2)].map(({ count }) => count)).toEqual([2, 1]);
    expect(map.deleteBatch(u32(1, 2, 4))).toBe(2);
    expect([...map.keys()]).toHaveLength(1);
    const error = errorOf(() => map.updateBatch(u32(0, 99), u32(descriptor, descriptor)));
    expect(error).toMatchObject({ name: "BatchError", code: "E2BIG", done: 1 });
  });
});

it("iteration key by key survives that every key is deleted as it is given", () => {
  expect(probe.mapBatch("devmap_hash").state).toBe("unsupported");
  const map = create({ type: "devmap_hash", maxEntries: 100 });
  const loopback = 1;
  map.updateBatch(sequence(100), u32(...Array(100).fill(loopback)));
  const seen = new Set<number>();
  for (const key of map.keys()) {
    seen.add(numbers(key)![0]!);
    map.delete(key);
  }
  expect(seen.size).toBe(100);
  expect([...map.keys()]).toEqual([]);
});

describe("per-CPU maps", () => {
  it("hold one value a possible CPU, each padded to 8 bytes", () => {
    const map = create({ type: "percpu_hash" });
    expect(map.valueBytes).toBe(8 * possibleCpus());
    const value = new Uint8Array(map.valueBytes);
    for (let cpu = 0; cpu < possibleCpus(); cpu++) value[cpu * 8] = cpu + 1;
    map.update(u32(3), value);
    expect(map.lookup(u32(3))).toEqual(value);
    expect(() => map.update(u32(3), u32(1))).toThrow("bytes, not 4");
    expect([...map.entries()]).toHaveLength(1);
  });
});

describe("mapped memory", () => {
  const mapped = (maxEntries = 1000) =>
    create({ type: "array", flags: MAP_FLAGS.mmapable, maxEntries, name: "mapped" });

  it("is the map: what is stored there is read by system calls, and the other way round", () => {
    const map = mapped();
    const words = new BigUint64Array(map.mmap());
    expect(map.stride).toBe(8);
    expect(words).toHaveLength(1000);
    Atomics.store(words, 999, 0xabcdn);
    expect(numbers(map.lookup(u32(999)))).toEqual([0xabcd]);
    map.update(u32(5), u32(77));
    expect(words[5]).toBe(77n);
  });

  it("is one mapping for all who ask, and outlives close", () => {
    const map = mapped();
    const memory = map.mmap();
    expect(map.mmap()).toBe(memory);
    map.close();
    new Uint32Array(memory)[0] = 5;
    expect(new Uint32Array(memory)[0]).toBe(5);
  });

  it("goes away by unmap, after which views are empty", () => {
    const map = mapped();
    const words = new Uint32Array(map.mmap());
    map.unmap();
    map.unmap();
    expect(words.length).toBe(0);
    expect(new Uint32Array(map.mmap())).toHaveLength(2000);
  });

  it("is refused where the map was not made for it, is frozen or opened for reading only", () => {
    expect(errorOf(() => create({ type: "array" }).mmap())).toMatchObject({
      operation: "map.mmap",
    });
    expect(
      errorOf(() => create({ type: "ringbuf", keySize: 0, valueSize: 0, maxEntries: 4096 }).mmap()),
    ).toMatchObject({ operation: "map.mmap" });
    const frozen = mapped();
    frozen.freeze();
    expect(isPermission(errorOf(() => frozen.mmap()))).toBe(true);
    const path = `${bpffs()}/m`;
    mapped().pin(path);
    const reader = BpfMap.openPinned(path, { readOnly: true });
    onTestFinished(() => reader.close());
    expect(isPermission(errorOf(() => reader.mmap()))).toBe(true);
    expect(isPermission(errorOf(() => reader.update(u32(0), u32(0))))).toBe(true);
    expect(numbers(reader.lookup(u32(0)))).toEqual([0]);
  });
});

it("frozen, a map takes no more writes from user space", () => {
  const map = create({ type: "array" });
  map.freeze();
  expect(isPermission(errorOf(() => map.update(u32(0), u32(1))))).toBe(true);
});

it("maps of maps hold maps", () => {
  const inner = create();
  const outer = create({ type: "array_of_maps", inner, maxEntries: 2 });
  outer.update(u32(1), u32(inner.handle.fd));
  expect(numbers(outer.lookup(u32(1)))).toEqual([inner.info.id]);
});
