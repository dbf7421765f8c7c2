import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAGLEV_TABLE_SIZES, spread } from "../../agent/compile/spread.ts";

const backend = (address: string, weight = 1, port = 8080) => ({ address, port, weight });
const hundred = Array.from({ length: 100 }, (_, n) => backend(`10.244.${n % 7}.${n + 2}`));
const tableSize = 16381;

/** How many slots each backend got. */
const counts = (slots: Uint32Array, backends: number) => {
  const held = Array<number>(backends).fill(0);
  for (const position of slots) held[position]!++;
  return held;
};

const backends = fc.uniqueArray(
  fc.record({
    address: fc.oneof(fc.ipV4(), fc.ipV6()),
    port: fc.constantFrom(80, 8080),
    weight: fc.integer({ min: 1, max: 100 }),
  }),
  { minLength: 1, maxLength: 40, selector: ({ address, port }) => `${address} ${port}` },
);

describe("a random slice (KP-30)", () => {
  it.each([
    ["one slot each", [1, 1, 1], [0, 1, 2]],
    ["slots by weight", [1, 3, 2], [0, 1, 1, 1, 2, 2]],
    ["no more than give the same shares", [50, 100, 25], [0, 0, 1, 1, 1, 1, 2]],
    ["one for one", [100], [0]],
    ["none for none", [], []],
  ])("has %s", (_, weights, slots) => {
    const given = weights.map((weight, n) => backend(`10.0.0.${n + 1}`, weight));
    expect([...spread(given, "random", tableSize)]).toEqual(slots);
  });

  it("gives exact shares to any weights", () => {
    fc.assert(
      fc.property(backends, (given) => {
        const held = counts(spread(given, "random", 251), given.length);
        const unit = given[0]!.weight / held[0]!;
        expect(held).toEqual(given.map(({ weight }) => weight / unit));
      }),
    );
  });
});

describe("a Maglev table", () => {
  it("has one slot for one backend and none for none", () => {
    expect([...spread([backend("10.0.0.1", 7)], "maglev", tableSize)]).toEqual([0]);
    expect([...spread([], "maglev", tableSize)]).toEqual([]);
  });

  it("is what it was in every release: nodes of two releases must agree", () => {
    const table = spread(
      [backend("10.0.0.1"), backend("10.0.0.2", 2), backend("fd00::3")],
      "maglev",
      251,
    );
    expect(counts(table, 3)).toEqual([63, 125, 63]);
    expect([...table.subarray(0, 32)].join("")).toBe("11111220010111210102222111122211");
  });

  it("is the same on every node, in whatever order it lists the backends (B8)", () => {
    const table = spread(hundred, "maglev", tableSize);
    const order = hundred.map((_, n) => (n * 37) % 100);
    const shuffled = spread(
      order.map((n) => hundred[n]!),
      "maglev",
      tableSize,
    );
    expect(shuffled.map((position) => order[position]!)).toEqual(table);
  });

  it("moves at most 2% of the others' slots when one of 100 backends goes (B8)", () => {
    const table = spread(hundred, "maglev", tableSize);
    const moved = hundred.map((gone) => {
      const rest = hundred.filter((each) => each !== gone);
      const after = spread(rest, "maglev", tableSize);
      const others = [...table.keys()].filter((slot) => hundred[table[slot]!] !== gone);
      const differ = others.filter((slot) => rest[after[slot]!] !== hundred[table[slot]!]);
      return differ.length / others.length;
    });
    const percent = (share: number) => `${(share * 100).toFixed(2)}%`;
    const mean = moved.reduce((sum, share) => sum + share, 0) / moved.length;
    console.log(
      `one of 100 backends removed: ${percent(mean)} of the others' slots move in the mean of all ` +
        `100, ${percent(Math.max(...moved))} at most`,
    );
    expect(Math.max(...moved)).toBeLessThanOrEqual(0.02);
  });

  it.each(MAGLEV_TABLE_SIZES)(
    "of %d slots gives equal backends the same share, one off",
    (size) => {
      const held = counts(spread(hundred, "maglev", size), 100);
      expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
      expect(held.reduce((sum, count) => sum + count, 0)).toBe(size);
    },
  );

  it("honours weights, and gives even the lightest a slot", () => {
    const given = [backend("10.0.0.1", 1), backend("10.0.0.2", 20), backend("10.0.0.3", 100)];
    const held = counts(spread(given, "maglev", 2039), 3);
    expect(held.map((count) => Math.round((count / 2039) * 121))).toEqual([1, 20, 100]);
    const light = [backend("10.0.0.1"), ...hundred.map((each) => ({ ...each, weight: 100 }))];
    expect(counts(spread(light, "maglev", 251), 101)[0]).toBe(1);
  });

  it("grows where there are more backends than slots, so that none is left out", () => {
    const many = Array.from({ length: 300 }, (_, n) => backend(`10.1.${n >> 8}.${n & 255}`));
    const table = spread(many, "maglev", 251);
    expect(table).toHaveLength(509);
    expect(Math.min(...counts(table, 300))).toBe(1);
  });

  it("tells ports of one address apart", () => {
    const given = [backend("10.0.0.1", 1, 80), backend("10.0.0.1", 1, 81)];
    const held = counts(spread(given, "maglev", 251), 2);
    expect(held.toSorted()).toEqual([125, 126]);
  });

  it("is full, fair by weight and blind to order, whatever the backends (B8)", () => {
    fc.assert(
      fc.property(backends, fc.constantFrom(251, 1021), (given, size) => {
        fc.pre(given.length > 1);
        const table = spread(given, "maglev", size);
        expect(table).toHaveLength(size);
        const reversed = spread(given.toReversed(), "maglev", size);
        expect(reversed.map((position) => given.length - 1 - position)).toEqual(table);
        const total = given.reduce((sum, { weight }) => sum + weight, 0);
        for (const [position, held] of counts(table, given.length).entries()) {
          const share = given[position]!.weight / total;
          expect(held).toBeGreaterThanOrEqual(1);
          expect(held).toBeLessThanOrEqual(share * size + 2);
          expect(held).toBeGreaterThanOrEqual(share * (size - given.length) - 1);
        }
      }),
    );
  });
});
