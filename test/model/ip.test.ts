import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressBytes, addressText, canonicalAddress, familyOf } from "../../agent/model/ip.ts";

const hex = (text: string) => {
  const bytes = new Uint8Array(16);
  return addressBytes(text, bytes, 0) === undefined
    ? undefined
    : Buffer.from(bytes).toString("hex");
};

describe("canonicalAddress", () => {
  it.each([
    ["10.96.0.1", "10.96.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8::A", "2001:db8::a"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"],
    ["0:0:1:2:3:4:5:6", "::1:2:3:4:5:6"],
    ["0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::10.0.0.1", "::a00:1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::FFFF:a00:1", "10.0.0.1"],
    ["::ffff:0:10.0.0.1", "::ffff:0:a00:1"],
  ])("spells %s as %s (RFC 5952)", (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it.each([
    "",
    " ",
    "None",
    "localhost",
    "10.0.0",
    "10.0.0.",
    ".10.0.0",
    "10..0.1",
    "10.0.0.1.",
    "10.0.0.1.1",
    "10.0.0.256",
    "10.0.0.01",
    "010.0.0.1",
    "10.0.0.00",
    "10.0.0.-1",
    "10.0.0.1 ",
    " 10.0.0.1",
    "10.0.0.1/32",
    "0x0a.0.0.1",
    "167772161",
    ":",
    ":::",
    "::1::",
    "1:::2",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "12345::",
    "::00001",
    "g::",
    "fe80::1%eth0",
    "[::1]",
    "::1/128",
    "::10.0.0",
    "::10.0.0.256",
    "::10.0.0.01",
    "::10.0.0.1:1",
    "1:2:3:4:5:6:7:10.0.0.1",
    "::ffff.0.0.1",
    "::1.",
    "::é",
  ])("refuses %j", (text) => {
    expect(canonicalAddress(text)).toBeUndefined();
    expect(familyOf(text)).toBeUndefined();
  });
});

describe("addressBytes and addressText", () => {
  it.each([
    ["10.96.0.1", "00000000000000000000ffff0a600001"],
    ["::ffff:10.96.0.1", "00000000000000000000ffff0a600001"],
    ["::", "00000000000000000000000000000000"],
    ["2001:db8::1:0:0:1", "20010db8000000000001000000000001"],
    ["::1:2", "00000000000000000000000000010002"],
    ["1:2::", "00010002000000000000000000000000"],
  ])("hold %s as the bytes %s", (text, bytes) => {
    expect(hex(text)).toBe(bytes);
  });

  it("work at an offset and touch nothing beside the 16 bytes", () => {
    const bytes = new Uint8Array(24).fill(0xaa);
    expect(addressBytes("fd00::7", bytes, 4)).toBe("IPv6");
    expect(Buffer.from(bytes).toString("hex")).toBe(
      "aaaaaaaafd000000000000000000000000000007aaaaaaaa",
    );
    expect(addressText(bytes, 4)).toBe("fd00::7");
  });

  it("overwrite what stood in the bytes before", () => {
    const bytes = new Uint8Array(16).fill(0xaa);
    expect(addressBytes("10.0.0.1", bytes, 0)).toBe("IPv4");
    expect(addressText(bytes, 0)).toBe("10.0.0.1");
    bytes.fill(0xaa);
    expect(addressBytes("::", bytes, 0)).toBe("IPv6");
    expect(addressText(bytes, 0)).toBe("::");
  });

  it("refuse to read past the end", () => {
    expect(() => addressText(new Uint8Array(15), 0)).toThrow(RangeError);
  });

  it("are each other's inverse for any 16 bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const back = new Uint8Array(16);
        addressBytes(addressText(bytes, 0), back, 0);
        expect(back).toEqual(bytes);
      }),
    );
  });
});

describe("agreement with the platform", () => {
  const mutated = fc
    .tuple(
      fc.oneof(fc.ipV4(), fc.ipV6(), fc.ipV4Extended()),
      fc.nat(45),
      fc.nat(2),
      fc.constantFrom("", ":", "::", ".", "0", "00", "f", "1", "%", "g", "1.2.3.4", "/"),
    )
    .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut));
  const texts = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    mutated,
    fc.string({ unit: fc.constantFrom(..."0123456789abcdefF:."), maxLength: 40 }),
  );
  const mapped = /^(::|(0{1,4}:){1,5}:?|::(0{1,4}:){1,5})ffff:/i;

  it("writes nowhere beside the 16 bytes, whatever it is given", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = new Uint8Array(48).fill(0xaa);
        addressBytes(text, bytes, 16);
        expect(Buffer.from(bytes.subarray(0, 16)).toString("hex")).toBe("aa".repeat(16));
        expect(Buffer.from(bytes.subarray(32)).toString("hex")).toBe("aa".repeat(16));
      }),
      { numRuns: 5_000, examples: [["1.2.3.4.5.6"], ["1:2:3:4:5:6:7:8:9:a:b"], ["::1.2.3.4.5"]] },
    );
  });

  it("accepts exactly what node:net accepts, but for zone ids", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const valid = isIPv4(text) || (isIPv6(text) && !text.includes("%"));
        expect(familyOf(text) !== undefined).toBe(valid);
        if (isIPv4(text)) expect(familyOf(text)).toBe("IPv4");
        if (isIPv6(text) && !mapped.test(text) && valid) expect(familyOf(text)).toBe("IPv6");
      }),
      { numRuns: 20_000 },
    );
  });

  it("prints IPv6 as the URL standard's serializer does (RFC 5952)", () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(groups, (words) => {
        const text = words.map((word) => word.toString(16)).join(":");
        const printed = new URL(`http://[${text}]/`).hostname.slice(1, -1);
        fc.pre(!printed.startsWith("::ffff:"));
        expect(canonicalAddress(text)).toBe(printed);
      }),
      { numRuns: 2_000 },
    );
  });
});
