import { describe, expect, it } from "vitest";
import { ipBytes, ipText, mapped } from "./address.ts";
import { complement, sum } from "./checksum.ts";
import { crc32c } from "./crc32c.ts";
import { encode, encodeIp, fragmentsOf } from "./encode.ts";
import { fieldsOf } from "./fields.ts";
import type { PacketSpec, Transport } from "./packet.ts";
import { differences, printPacket } from "./print.ts";

const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const ethernet = { source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" };
const udp = { kind: "udp", sourcePort: 1234, destinationPort: 53 } as const;
const v4 = (transport: Transport): PacketSpec => ({
  ethernet,
  source: "192.168.0.1",
  destination: "192.168.0.199",
  transport,
});
const v6 = (transport: Transport): PacketSpec => ({
  ethernet,
  source: "2001:db8::1",
  destination: "2001:db8::2",
  transport,
});

describe("the builders of packets", () => {
  it("sum the example of RFC 1071 section 3", () => {
    expect(sum(bytes("00 01 f2 03 f4 f5 f6 f7"))).toBe(0xddf2);
  });

  it("give an IPv4 header its textbook checksum", () => {
    const header = bytes("45 00 00 73 00 00 40 00 40 11 00 00 c0 a8 00 01 c0 a8 00 c7");
    expect(complement(sum(header))).toBe(0xb861);
  });

  it("sum a UDP datagram as a hand does", () => {
    // 192.168.0.1 -> 192.168.0.199: c0a8+0001+c0a8+00c7 + 0011+000a + 04d2+0035+000a + 6869 = 1f033.
    const packet = encode(v4({ ...udp, payload: new TextEncoder().encode("hi") }));
    const hand = 0xc0a8 + 0x0001 + 0xc0a8 + 0x00c7 + 0x11 + 0x0a + 0x04d2 + 0x35 + 0x0a + 0x6869;
    const folded = (hand & 0xffff) + (hand >>> 16);
    expect((packet[14 + 26]! << 8) | packet[14 + 27]!).toBe(0xffff - folded);
  });

  it.each([
    ["nothing but zeros", new Uint8Array(32), 0x8a9136aa],
    ["nothing but ones", new Uint8Array(32).fill(255), 0x62a8ab43],
    ["counting up", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["counting down", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ["digits", new TextEncoder().encode("123456789"), 0xe3069283],
  ])("give %s the CRC32c of RFC 3720 B.4", (_, given, crc) => {
    expect(crc32c(given)).toBe(crc);
  });

  it("send SCTP's checksum lowest byte first, and over padding too (RFC 9260)", () => {
    const packet = encode(
      v4({ kind: "sctp", sourcePort: 1, destinationPort: 2, chunk: "data", payload: bytes("aa") }),
    );
    const sctp = packet.subarray(34);
    expect([...sctp.subarray(12)]).toEqual([0, 0, 0, 5, 0xaa, 0, 0, 0]);
    expect(new DataView(sctp.slice().buffer).getUint32(8, true)).toBe(
      crc32c(sctp.slice().fill(0, 8, 12)),
    );
    expect(fieldsOf(packet).get("sctp.checksum")).toBe("ok");
    expect(fieldsOf(packet.with(50, 0xab)).get("sctp.checksum")).toMatch(/^bad /);
  });

  it("write and read addresses", () => {
    const texts = [
      "10.0.0.255",
      "2001:db8::1",
      "::",
      "fe80::1:0:0:1",
      "::1",
      "1:0:0:2::3",
      "fd00:10:244:1::5",
    ];
    expect(texts.map((text) => ipText(ipBytes(text)))).toEqual(texts);
    expect(ipText(mapped(ipBytes("1.2.3.4")))).toBe("::ffff:102:304");
  });

  it("make packets whose every checksum the reader finds right", () => {
    const transports = (make: typeof v4): Transport[] => [
      { ...udp, payload: new Uint8Array([1, 2, 3]) },
      {
        kind: "tcp",
        sourcePort: 1,
        destinationPort: 2,
        flags: "S",
        options: [2, 4, 5, 180],
        payload: new Uint8Array([9]),
      },
      { kind: "sctp", sourcePort: 1, destinationPort: 2, chunk: "init", payload: bytes("01 02") },
      { kind: "icmp", type: 3, code: 3, payload: encodeIp(make(udp)) },
    ];
    for (const make of [v4, v6]) {
      for (const transport of transports(make)) {
        const fields = fieldsOf(encode(make(transport)));
        const checksums = [...fields].filter(([name]) => name.endsWith("checksum"));
        expect(checksums.map(([, value]) => value)).toEqual(checksums.map(() => "ok"));
        expect(fields.has("cut")).toBe(false);
      }
    }
  });

  it("chain IPv6 extension headers and cut fragments", () => {
    const spec: PacketSpec = {
      ...v6({ ...udp, payload: new Uint8Array(24) }),
      extensions: [
        { kind: "hop-by-hop" },
        { kind: "routing", segmentsLeft: 0 },
        { kind: "authentication" },
        { kind: "destination-options", words: 1 },
      ],
    };
    expect(printPacket(encode(spec))).toContain("ext@40=hop-by-hop");
    expect(fieldsOf(encode(spec)).get("udp.checksum")).toBe("ok");
    const [first, second] = fragmentsOf(spec, 16).map((each) => encode(each)) as [
      Uint8Array,
      Uint8Array,
    ];
    expect(first.length - 54 - 8 - 24 - 24 - 8 - 16).toBe(16);
    expect(second.length - first.length).toBe(0);
  });

  it("show in which fields two packets differ", () => {
    const one = encode(v4(udp));
    const two = encode({ ...v4(udp), ttl: 63, destination: "10.0.0.1" });
    expect(differences(one, two)).toEqual([
      "ip.dst: expected 192.168.0.199, got 10.0.0.1",
      "ip.ttl: expected 64, got 63",
    ]);
    expect(printPacket(two)).toBe(
      "eth.to=02:00:00:00:00:02 eth.from=02:00:00:00:00:01 ip.src=192.168.0.1 ip.dst=10.0.0.1 ip.ttl=63 sport=1234 dport=53 udp.length=8",
    );
  });
});
