import { attachIter, type BpfLink, readIterator, streamIterator } from "libbpf-ts";
import { describe, expect, it, onTestFinished } from "vitest";
import { load, u32 } from "./support/object.ts";

/** An iterator over a map of so many elements whose keys count from 0. */
function iteratorOver(elements: number): BpfLink {
  const object = load();
  const map = object.map("endpoints");
  const keys = Uint32Array.from({ length: elements }, (_, n) => n);
  const values = new Uint8Array(elements * map.valueBytes);
  map.updateBatch(new Uint8Array(keys.buffer), values, elements);
  const iterator = attachIter(object.program("list_elements"), { map });
  onTestFinished(() => iterator.close());
  return iterator;
}

const wordsOf = (bytes: Uint8Array): number[] => [
  ...new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)),
];

const countingTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

async function chunksOf(iterator: BpfLink): Promise<number[][]> {
  const chunks: number[][] = [];
  for await (const chunk of streamIterator(iterator)) chunks.push([...chunk]);
  return chunks;
}

describe("an iterator over a map", () => {
  it("is read at once, every element of it", () => {
    const words = wordsOf(readIterator(iteratorOver(1000)));
    expect(words.sort((a, b) => a - b)).toEqual(countingTo(1000));
  });

  it("is streamed in chunks of the size asked for, every element of it once", async () => {
    const words: number[] = [];
    const sizes: number[] = [];
    for await (const chunk of streamIterator(iteratorOver(1000), 256)) {
      sizes.push(chunk.length);
      words.push(...wordsOf(chunk));
    }
    expect(words.sort((a, b) => a - b)).toEqual(countingTo(1000));
    expect(Math.max(...sizes)).toBe(256);
    expect(sizes.length).toBeGreaterThanOrEqual(16);
  });

  it("streams nothing where there is nothing, and starts over each time", async () => {
    const iterator = iteratorOver(1);
    expect(await chunksOf(iterator)).toEqual([[...u32(0)]]);
    expect(await chunksOf(iterator)).toEqual([[...u32(0)]]);
    expect(await chunksOf(iteratorOver(0))).toEqual([]);
  });

  it("may be left half-way, and lets the event loop turn while it is read", async () => {
    const iterator = iteratorOver(1000);
    let turns = 0;
    const turning = setInterval(() => turns++, 0);
    onTestFinished(() => clearInterval(turning));
    let chunks = 0;
    for await (const _ of streamIterator(iterator, 4)) if (++chunks === 500) break;
    expect(turns).toBeGreaterThan(0);
    expect(readIterator(iterator)).toHaveLength(4000);
  });

  it("refuses what is no link, no size, or closed", async () => {
    const iterator = iteratorOver(1);
    const begin = (link: unknown, size?: number) =>
      streamIterator(link as BpfLink, size)
        .next()
        .then(
          () => "read",
          (error: { code?: string }) => error.code,
        );
    expect(await begin({})).toBe("ERR_INVALID_ARG_VALUE");
    expect(await begin(iterator, 0)).toBe("ERR_INVALID_ARG_VALUE");
    expect(await begin(iterator, 1.5)).toBe("ERR_INVALID_ARG_VALUE");
    iterator.close();
    expect(await begin(iterator)).toBe("EBADF");
  });
});
