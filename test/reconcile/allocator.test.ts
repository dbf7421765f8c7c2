import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IndexAllocator } from "../../agent/datapath/allocator_index.ts";
import { RunAllocator } from "../../agent/datapath/allocator_run.ts";

describe("the index allocator", () => {
  it("hands out the lowest free index, each once, and then none (PF-08)", () => {
    const allocator = new IndexAllocator(70);
    expect(Array.from({ length: 71 }, () => allocator.allocate())).toEqual([
      ...Array.from({ length: 70 }, (_, index) => index),
      undefined,
    ]);
    allocator.release(33);
    allocator.release(69);
    expect([allocator.allocate(), allocator.allocate(), allocator.allocate()]).toEqual([
      33,
      69,
      undefined,
    ]);
  });

  it("goes around indices that were claimed (PF-02)", () => {
    const allocator = new IndexAllocator(4);
    expect(allocator.claim(0)).toBe(true);
    expect(allocator.claim(2)).toBe(true);
    expect(allocator.claim(2)).toBe(false);
    expect(allocator.claim(4)).toBe(false);
    expect([allocator.allocate(), allocator.allocate(), allocator.allocate()]).toEqual([
      1,
      3,
      undefined,
    ]);
  });

  it("counts an index given back twice once", () => {
    const allocator = new IndexAllocator(4);
    allocator.allocate();
    allocator.release(0);
    allocator.release(0);
    allocator.release(9);
    expect([allocator.free, allocator.used]).toEqual([4, 0]);
  });

  it.each([0, 1, 31, 32, 33, 1023, 1024, 1025, 40_000])("holds exactly %i indices", (capacity) => {
    const allocator = new IndexAllocator(capacity);
    for (let count = 0; count < capacity; count++) allocator.allocate();
    expect([allocator.used, allocator.allocate()]).toEqual([capacity, undefined]);
  });

  it("agrees with a plain set over any sequence", () => {
    const step = fc.record({ take: fc.boolean(), index: fc.nat(99) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const allocator = new IndexAllocator(100);
        const used = new Set<number>();
        for (const { take, index } of steps) {
          if (!take) {
            allocator.release(index);
            used.delete(index);
            continue;
          }
          const got = allocator.allocate();
          const lowest = Array.from({ length: 100 }, (_, at) => at).find((at) => !used.has(at));
          expect(got).toBe(lowest);
          if (got !== undefined) used.add(got);
          expect(allocator.used).toBe(used.size);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("the run allocator", () => {
  it("places runs at aligned blocks and small ones into what large ones leave", () => {
    const allocator = new RunAllocator(32);
    expect(allocator.allocate(10)).toBe(0);
    expect(allocator.allocate(4)).toBe(12);
    expect(allocator.allocate(2)).toBe(10);
    expect(allocator.allocate(16)).toBe(16);
    expect(allocator.allocate(1)).toBe(undefined);
    expect(allocator.free).toBe(0);
  });

  it("gives nothing away for a run of nothing", () => {
    const allocator = new RunAllocator(8);
    expect(allocator.allocate(0)).toBe(0);
    expect(allocator.free).toBe(8);
  });

  it("refuses what is longer than the whole (PF-08)", () => {
    const allocator = new RunAllocator(100);
    expect(allocator.allocate(101)).toBe(undefined);
    expect(allocator.allocate(64)).toBe(0);
    expect(allocator.free).toBe(36);
  });

  it("claims runs that another strategy made, and says when they overlap (PF-02)", () => {
    const allocator = new RunAllocator(64);
    expect(allocator.claim(3, 13)).toBe(true);
    expect(allocator.claim(15, 4)).toBe(false);
    expect(allocator.claim(60, 8)).toBe(false);
    expect(allocator.free).toBe(64 - 16 - 4);
    expect(allocator.allocate(16)).toBe(32);
    allocator.release(3, 16);
    allocator.release(60, 4);
    allocator.release(32, 16);
    expect(allocator.allocate(64)).toBe(0);
  });

  it("never gives a slot twice, and everything is one run again at the end", () => {
    const step = fc.record({ count: fc.integer({ min: 1, max: 40 }), free: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const allocator = new RunAllocator(300);
        const owner = new Int32Array(300).fill(-1);
        const runs: { id: number; offset: number; count: number }[] = [];
        for (const [id, { count, free }] of steps.entries()) {
          const offset = allocator.allocate(count);
          if (offset !== undefined) {
            expect(owner.subarray(offset, offset + count).every((each) => each === -1)).toBe(true);
            expect(offset + count).toBeLessThanOrEqual(300);
            owner.fill(id, offset, offset + count);
            runs.push({ id, offset, count });
          }
          if (free % 2 === 0 && runs.length > 0) {
            const [run] = runs.splice(free % runs.length, 1);
            if (run === undefined) continue;
            owner.fill(-1, run.offset, run.offset + run.count);
            allocator.release(run.offset, run.count);
          }
          expect(allocator.free).toBe(owner.filter((each) => each === -1).length);
          const from = free % 300;
          const asked = owner.subarray(from, from + count);
          expect(allocator.isTaken(from, asked.length)).toBe(!asked.includes(-1));
        }
        for (const { offset, count } of runs) allocator.release(offset, count);
        expect(allocator.free).toBe(300);
        expect(allocator.allocate(256)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it("finds room for any slices that take up to half of it, whatever their order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 200 }), (counts) => {
        const allocator = new RunAllocator(4096);
        let left = 2048;
        for (const count of counts) {
          if (count > left) break;
          left -= count;
          expect(allocator.allocate(count)).not.toBe(undefined);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("costs at most two megabytes for a million slots", () => {
    const before = process.memoryUsage().arrayBuffers;
    const allocator = new RunAllocator(1_048_576);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(2_097_152);
    expect(allocator.free).toBe(1_048_576);
  });
});
