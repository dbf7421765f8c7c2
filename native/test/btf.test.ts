import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { btfOfObject, MalformedError, parseBtf, parseElf } from "libbpf-ts/btf";
import { describe, expect, it } from "vitest";
import { Btf } from "../btf/btf.ts";
import { objectBytes } from "./support/object.ts";

describe("parseElf", () => {
  it("lists the sections of a compiled object", () => {
    const elf = parseElf(objectBytes("everything"));
    expect(elf.machine).toBe(247);
    expect(elf.sections.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["cgroup/connect4", "tc", ".maps", ".rodata", ".bss", ".BTF"]),
    );
    expect(elf.sections.find(({ name }) => name === ".bss")?.bytes).toHaveLength(0);
    const license = elf.sections.find(({ name }) => name === "license");
    expect(Buffer.from(license!.bytes).toString()).toBe("GPL\0");
  });
});

describe("btfOfObject", () => {
  const btf = btfOfObject(objectBytes("everything"));

  it("gives structs with members in order and typedef names kept", () => {
    const endpoint = btf.find("struct", "endpoint");
    expect(endpoint?.size).toBe(32);
    expect(endpoint?.members.map(({ name, bitOffset }) => [name, bitOffset])).toEqual([
      ["address", 0],
      ["port", 32],
      ["name", 48],
      ["weight", 128],
      ["range", 192],
    ]);
    expect(btf.type(endpoint!.members[0]!.type)).toMatchObject({ kind: "typedef", name: "__be32" });
    expect(btf.resolve(endpoint!.members[0]!.type)).toMatchObject({
      kind: "int",
      size: 4,
      signed: false,
    });
  });

  it("resolves qualifiers and measures arrays", () => {
    const port = btf.find("var", "to_port");
    expect(btf.type(port!.type).kind).toBe("const");
    expect(btf.resolve(port!.type)).toMatchObject({ kind: "int", name: "unsigned short" });
    const name = btf.find("struct", "endpoint")!.members[2]!;
    expect(btf.sizeOf(name.type)).toBe(6);
    expect(btf.find("struct", "not there")).toBeUndefined();
  });
});

describe("malformed input", () => {
  it("is refused by a typed error wherever an object is cut", () => {
    const bytes = objectBytes("everything");
    for (let size = 0; size < bytes.length; size += 97) {
      expect(() => btfOfObject(bytes.subarray(0, size))).toThrow(MalformedError);
    }
  });

  it("never throws anything else, nor loops, for objects with bytes changed", () => {
    const bytes = objectBytes("everything");
    const flip = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 20 }), (flips) => {
        const changed = bytes.slice();
        for (const [at, value] of flips) changed[at] = value;
        try {
          const btf = btfOfObject(changed);
          for (const id of btf.types.keys()) sizeOrError(btf, id);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("names loops of types instead of following them", () => {
    const loop = new Btf([{ kind: "void" }, { kind: "typedef", name: "a", type: 1 }]);
    expect(() => loop.resolve(1)).toThrow("type 1 is a loop of modifiers");
    const arrays = new Btf([
      { kind: "void" },
      { kind: "array", elementType: 1, indexType: 1, count: 2 },
    ]);
    expect(() => arrays.sizeOf(1)).toThrow("type 1 is a loop of arrays");
    expect(() => new Btf([{ kind: "void" }, { kind: "ptr", type: 7 }])).toThrow(MalformedError);
  });
});

function sizeOrError(btf: Btf, id: number): void {
  try {
    btf.sizeOf(id);
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedError);
  }
}

it("reads the running kernel's own BTF", () => {
  const kernel = parseBtf(readFileSync("/sys/kernel/btf/vmlinux"));
  expect(kernel.types.length).toBeGreaterThan(10_000);
  expect(kernel.find("struct", "iphdr")?.size).toBe(20);
});
