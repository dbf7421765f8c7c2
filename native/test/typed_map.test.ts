import { type Codec, codecFromBtf, createMap, perCpu, possibleCpus, typedMap } from "libbpf-ts";
import { describe, expect, it, onTestFinished } from "vitest";
import { encoded } from "../codec.ts";
import { load, open } from "./support/object.ts";

const example = {
  address: 0x0100007f,
  port: 0x5000,
  name: Uint8Array.of(97, 98, 0, 0, 0, 0),
  weight: -5n,
  range: { low: 0xffffffff, high: [1, 2] },
};

describe("a codec from BTF", () => {
  const codec = (): Codec<unknown> => {
    const object = open();
    return codecFromBtf(object.btf, object.maps.get("endpoints")!.valueType);
  };

  it("lays values out as the compiler does", () => {
    expect(codec().size).toBe(32);
    expect(Buffer.from(encoded(codec(), example)).toString("hex")).toBe(
      "7f00000100506162" + "0000000000000000" + "fbffffffffffffff" + "ffffffff01000200",
    );
    expect(codec().decode(encoded(codec(), example))).toEqual(example);
  });

  it("refuses what does not fit, and says what", () => {
    const into = new Uint8Array(32);
    const broken = (part: object) => () => codec().encode({ ...example, ...part }, into);
    expect(broken({ port: 65536 })).toThrow("65536 does not fit 16 bits");
    expect(broken({ weight: 1n << 63n })).toThrow("does not fit 64 bits");
    expect(broken({ name: new Uint8Array(7) })).toThrow("no Uint8Array of at most 6 bytes");
    expect(broken({ range: { low: 1, high: [1] } })).toThrow("no array of 2");
    expect(broken({ range: undefined })).toThrow("undefined is no object");
    expect(broken({ address: "x" })).toThrow("x is no integer");
  });

  it("refuses types that have no plain value", () => {
    const { btf } = open();
    const pointer = btf.types.findIndex(({ kind }) => kind === "ptr");
    expect(() => codecFromBtf(btf, pointer)).toThrow("no codec for a ptr");
  });
});

describe("a typed map", () => {
  const typed = () => {
    const object = open();
    const { keyType, valueType } = object.maps.get("endpoints")!;
    const key = codecFromBtf(object.btf, keyType) as Codec<number>;
    const value = codecFromBtf(object.btf, valueType) as Codec<typeof example>;
    return typedMap(load().map("endpoints"), key, value);
  };

  it("speaks of values, not bytes", () => {
    const map = typed();
    map.update(7, example);
    expect(map.lookup(7)).toEqual(example);
    expect(map.lookup(8)).toBeUndefined();
    expect([...map.keys()]).toEqual([7]);
    expect([...map.entries()]).toEqual([[7, example]]);
    expect(map.delete(7)).toBe(true);
  });

  it("writes and deletes many at once", () => {
    const map = typed();
    const entries = [1, 2, 3].map((key) => [key, { ...example, port: key }] as const);
    expect(map.updateAll(entries)).toBe(3);
    expect(map.lookup(2)?.port).toBe(2);
    expect(map.deleteAll([0, 1, 2])).toBe(2);
    expect([...map.keys()]).toEqual([3]);
  });

  it("refuses codecs of another size", () => {
    const { map } = typed();
    const codec: Codec<number> = { size: 2, encode: () => {}, decode: () => 0 };
    expect(() => typedMap(map, codec, codec)).toThrow(
      "a key of endpoints has 4 bytes, its codec 2",
    );
  });

  it("holds one value a CPU in per-CPU maps", () => {
    const object = open();
    const number = codecFromBtf(
      object.btf,
      object.maps.get("counters")!.valueType,
    ) as Codec<number>;
    const map = createMap({ type: "percpu_array", keySize: 4, valueSize: 4, maxEntries: 1 });
    onTestFinished(() => map.close());
    const counters = typedMap(map, number, perCpu(number));
    const values = Array.from({ length: possibleCpus() }, (_, cpu) => cpu + 1);
    counters.update(0, values);
    expect(counters.lookup(0)).toEqual(values);
    expect(() => counters.update(0, [])).toThrow("possible CPUs");
  });
});
