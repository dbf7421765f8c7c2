import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMap } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as layout from "../../bpf/build/layout.ts";
import { generateLayout } from "../../bpf/layout/generate.ts";

describe("the layout generator", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-layout-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The generated source for an object whose one map holds `struct held`. */
  const generate = (definitions: string, extra = ""): string => {
    const source = join(folder, "held.bpf.c");
    writeFileSync(source, objectSource(definitions, extra));
    const output = join(folder, "held.bpf.o");
    const flags = ["-O2", "-g", "-target", "bpf", `-I/usr/include/${multiarch()}`];
    execFileSync("clang", [...flags, "-c", source, "-o", output], { stdio: "pipe" });
    return generateLayout(readFileSync(output));
  };

  it("refuses a hole between two members", () => {
    expect(() => generate("struct held { __u8 first; __u32 second; };")).toThrow(
      "struct held has a hole from byte 1 to 4: spell the padding out",
    );
  });

  it("refuses a hole at the end", () => {
    expect(() => generate("struct held { __u64 first; __u16 second; };")).toThrow(
      "struct held has a hole from byte 10 to 16: spell the padding out",
    );
  });

  it("refuses a hole in a struct inside, and in an array of structs", () => {
    const inner = "struct inner { __u8 first; __u16 second; };";
    const expected = "struct inner has a hole from byte 1 to 2: spell the padding out";
    expect(() => generate(`${inner} struct held { struct inner one; };`)).toThrow(expected);
    expect(() => generate(`${inner} struct held { struct inner many[3]; };`)).toThrow(expected);
  });

  it("refuses a bit-field", () => {
    expect(() => generate("struct held { __u32 low : 4; __u32 high : 28; };")).toThrow(
      "struct held: low is a bit-field",
    );
    const inner = "struct inner { __u32 low : 8; __u32 high : 24; };";
    expect(() => generate(`${inner} struct held { struct inner one; };`)).toThrow(
      "struct inner: low is a bit-field",
    );
  });

  it("refuses an enum as a member: its size is the compiler's choice", () => {
    expect(() => generate("enum kind { KIND_A }; struct held { enum kind kind; };")).toThrow(
      "struct held: kind (enum) has no codec",
    );
  });

  it("refuses a signed number and a pointer", () => {
    expect(() => generate("struct held { __s32 number; };")).toThrow(
      "struct held: number (int) has no codec",
    );
    expect(() => generate("struct held { void *pointer; };")).toThrow(
      "struct held: pointer (ptr) has no codec",
    );
  });

  it("takes explicit padding and leaves it out of the codec", () => {
    const text = generate("struct held { __u8 first; __u8 pad[3]; __be16 port; __u16 pad2; };");
    expect(text).toContain("readonly first: number;\n  readonly port: number;\n}");
    expect(text).toContain("view.setUint16(4, value.port, false);");
    expect(text).toContain("view.getUint8(0),");
  });

  it("gives every value of an enum that the object keeps", () => {
    const text = generate(
      "struct held { __u64 one; }; enum held_flag { HELD_ONE = 1, HELD_BIG = 4096 };",
      "enum held_flag flag;",
    );
    expect(text).toContain(
      "/** enum held_flag. */\nexport const HeldFlag = {\n  ONE: 1,\n  BIG: 4096,\n} as const;",
    );
  });

  it("changes the fingerprint with any name, offset, type or flag", () => {
    const fingerprint = (definitions: string, extra = "") =>
      /layoutFingerprint = (\d+)n/.exec(generate(definitions, extra))?.[1];
    const flags = "enum held_flag { HELD_ONE = 1 };";
    const prints = [
      fingerprint("struct held { __u32 one; __u32 two; };"),
      fingerprint("struct held { __u32 one; __u32 three; };"),
      fingerprint("struct held { __u32 two; __u32 one; };"),
      fingerprint("struct held { __u32 one; __be32 two; };"),
      fingerprint("struct held { __u64 one; };"),
      fingerprint(`struct held { __u64 one; }; ${flags}`, "enum held_flag flag;"),
      fingerprint(
        `struct held { __u64 one; }; ${flags.replace("= 1", "= 2")}`,
        "enum held_flag flag;",
      ),
    ];
    expect(prints).not.toContain(undefined);
    expect(new Set(prints).size).toBe(prints.length);
    expect(fingerprint("struct held { __u64 one; };")).toBe(prints[4]);
  });

  it("is up to date with maps.h", () => {
    const root = join(import.meta.dirname, "../../bpf/build");
    const generated = generateLayout(readFileSync(join(root, "sock.bpf.o")));
    expect(readFileSync(join(root, "layout.ts"), "utf8")).toBe(generated);
  });
});

const address = Uint8Array.from({ length: 16 }, (_, at) => 16 - at);
const vip = Uint8Array.from({ length: 16 }, (_, at) => 0xf0 + at);
const translation: layout.Translation = {
  vip,
  address,
  vipPort: 443,
  port: 8443,
  service: 0x0102_0304,
  backend: 0x0506_0708,
  generation: 0xffff_fffe,
  slice: 0x0910_1112,
};
const flow = bytesOf(layout.translationCodec, translation);

/** Every codec with a value that has no two bytes alike where that is possible. */
const codecs = [
  sample("service", layout.serviceCodec, {
    cluster: 0x0102_0304_0506_0708n,
    local: 0xffff_ffff_0000_0001n,
    affinitySeconds: 10_800,
    generation: 0xfedc_ba98,
    flags: 0x1234,
    algorithm: 7,
    protocol: 17,
  }),
  sample("frontend_key", layout.frontendKeyCodec, { address, port: 0x1f90, protocol: 6, scope: 2 }),
  sample("frontend", layout.frontendCodec, { service: 0x0102_0304, kind: 0xa0, flags: 0xb1 }),
  sample("slot_line", layout.slotLineCodec, {
    backend: Uint8Array.from({ length: 64 }, (_, at) => at),
  }),
  sample("backend", layout.backendCodec, {
    address,
    port: 0x1f90,
    flags: 63,
    service: 0x0102_0304,
    generation: 0xfedc_ba98,
  }),
  sample("service_name", layout.serviceNameCodec, {
    nameSpace: "n".repeat(63),
    name: "prüfung",
    portName: "",
    family: 6,
    protocol: 17,
    port: 53,
  }),
  sample("service_stats", layout.serviceStatsCodec, {
    connections: 1n,
    datagrams: 2n ** 63n,
    refused: 3n,
    affinity: 4n,
    unremembered: 5n,
    denied: 6n,
    requestPackets: 7n,
    requestBytes: 2n ** 64n - 1n,
    replyPackets: 9n,
    replyBytes: 10n,
  }),
  sample("affinity_key", layout.affinityKeyCodec, { client: address, service: 9, kind: 1 }),
  sample("affinity", layout.affinityCodec, { lastSeen: 2n ** 60n, backend: 5, generation: 6 }),
  sample("translation", layout.translationCodec, translation),
  sample("tcp_peer", layout.tcpPeerCodec, { cookie: 2n ** 40n, vip, vipPort: 80, service: 3 }),
  sample("udp_flows", layout.udpFlowsCodec, {
    flow: Uint8Array.from([...flow, ...flow, ...flow, ...flow]),
    next: 6,
    last: 2,
  }),
  sample("stale_socket", layout.staleSocketCodec, {
    source: address,
    destination: vip,
    cookie: 2n ** 64n - 1n,
    sourcePort: 1,
    destinationPort: 65_535,
    netns: 0xf000_0001,
    device: 12,
    family: 10,
  }),
  sample("agent_state", layout.agentStateCodec, { layout: layout.layoutFingerprint }),
  sample("settings", layout.settingsCodec, {
    hostNetns: 2n ** 63n + 1n,
    nodeV4: address,
    nodeV6: vip,
    nodePortFirst: 0x1122,
    nodePortLast: 0x3344,
    snatPortFirst: 0x5566,
    snatPortLast: 0x7788,
    flags: 0x0102_0304,
    tcpOpening: 0x0506_0708,
    tcpEstablished: 0x090a_0b0c,
    tcpClosing: 0x0d0e_0f10,
    tcpClosed: 0x1112_1314,
    udp: 0x1516_1718,
    udpStream: 0x191a_1b1c,
  }),
  sample("address", layout.addressCodec, { word: address }),
  sample("device", layout.deviceCodec, { v4: address, v6: vip, mtu: 1_500, flags: 0xfedc_ba98 }),
  sample("service_cidr_key", layout.serviceCidrKeyCodec, { prefixLength: 112, address: vip }),
  sample("source_range_key", layout.sourceRangeKeyCodec, {
    prefixLength: 160,
    service: 0x0102_0304,
    address,
  }),
  sample("flow_key", layout.flowKeyCodec, {
    source: address,
    destination: vip,
    sourcePort: 0x1122,
    destinationPort: 0x3344,
    protocol: 17,
  }),
  sample("flow", layout.flowCodec, {
    source: address,
    destination: vip,
    sourcePort: 0x1122,
    destinationPort: 0x3344,
    service: 0x0102_0304,
    backend: 0x0506_0708,
    generation: 0x090a_0b0c,
    lastSeen: 0x0d0e_0f10,
    addressSum: 0x1112_1314,
    portSum: 0x1516_1718,
    device: 0x191a_1b1c,
    to: Uint8Array.of(1, 2, 3, 4, 5, 6),
    from: Uint8Array.of(7, 8, 9, 10, 11, 12),
    flags: 0x21,
    tcp: 0x22,
    slice: 0x23,
    mtu: 0x2425_2627,
    slots: 0x2122_2324,
  }),
  sample("fragment_key", layout.fragmentKeyCodec, {
    source: address,
    destination: vip,
    identification: 0x0102_0304,
    protocol: 17,
  }),
  sample("fragment", layout.fragmentCodec, { sourcePort: 0x1122, destinationPort: 0x3344 }),
  sample("packet_count_key", layout.packetCountKeyCodec, { device: 0x0102_0304, reason: 16 }),
  sample("packet_count", layout.packetCountCodec, { packets: 2n ** 63n, bytes: 2n ** 62n + 1n }),
];

describe("the generated codecs", () => {
  it("are tested one and all", () => {
    const generated = Object.keys(layout).filter((name) => name.endsWith("Codec"));
    expect(codecs).toHaveLength(generated.length);
  });

  it.each(codecs)("keep $name as it is on its way through a map", ({ size, roundTrip, value }) => {
    if (process.getuid?.() !== 0) throw new Error("making maps needs root");
    using map = createMap({ type: "array", keySize: 4, valueSize: size, maxEntries: 2 });
    const key = Uint8Array.of(1, 0, 0, 0);
    expect(
      roundTrip((bytes) => {
        map.update(key, bytes);
        return map.lookup(key) ?? new Uint8Array();
      }),
    ).toEqual(value);
  });

  it("lay ports out in network order and numbers in the machine's", () => {
    const key = { address, port: 0x1f90, protocol: 6, scope: 2 };
    expect([...bytesOf(layout.frontendKeyCodec, key).subarray(16)]).toEqual([0x1f, 0x90, 6, 2]);
    const frontend = { service: 0x0102_0304, kind: 5, flags: 1 };
    expect([...bytesOf(layout.frontendCodec, frontend)]).toEqual([4, 3, 2, 1, 5, 1, 0, 0]);
  });

  it("overwrite what was in the buffer, padding included", () => {
    const bytes = new Uint8Array(layout.frontendKeyCodec.size + 2).fill(0xff);
    layout.frontendKeyCodec.encode({ address, port: 80, protocol: 6, scope: 1 }, bytes, 1);
    expect([...bytes.subarray(17)]).toEqual([0, 80, 6, 1, 0xff]);
    expect(bytes[0]).toBe(0xff);
  });

  it("cut names that are too long, so that a NUL always ends them", () => {
    const name = {
      nameSpace: "",
      name: "x".repeat(200),
      portName: "",
      family: 4,
      protocol: 6,
      port: 1,
    };
    const bytes = bytesOf(layout.serviceNameCodec, name);
    expect(layout.serviceNameCodec.decode(bytes).name).toBe("x".repeat(63));
    expect(bytes[127]).toBe(0);
  });

  it("refuse addresses of another length", () => {
    const key = { address: new Uint8Array(4), port: 80, protocol: 6, scope: 0 };
    expect(() => bytesOf(layout.frontendKeyCodec, key)).toThrow("16 bytes wanted, not 4");
  });
});

function sample<T>(name: string, codec: layout.Codec<T>, value: T) {
  return {
    name,
    size: codec.size,
    value,
    roundTrip: (through: (bytes: Uint8Array) => Uint8Array) =>
      codec.decode(through(bytesOf(codec, value))),
  };
}

function bytesOf<T>(codec: layout.Codec<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.encode(value, bytes);
  return bytes;
}

const multiarch = (): string =>
  execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();

const objectSource = (definitions: string, extra: string): string => `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
${definitions}
const volatile union { struct held held; ${extra} } layout_types = {};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct held);
	__uint(max_entries, 1);
} held_map SEC(".maps");
`;
