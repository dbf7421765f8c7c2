import { complement, fold, pseudoHeaderSum, sum } from "./checksum.ts";
import { sctpChecksum, sctpChecksumAt } from "./crc32c.ts";
import {
  CHUNK,
  type Icmp,
  PROTOCOL,
  type Raw,
  type Sctp,
  TCP_FLAGS,
  type Tcp,
  type Transport,
  type Udp,
} from "./packet.ts";

const nothing = new Uint8Array(0);

/** The protocol number and the bytes of a transport header with its payload. */
export function encodeTransport(
  transport: Transport,
  source: Uint8Array,
  destination: Uint8Array,
): { readonly protocol: number; readonly bytes: Uint8Array } {
  const isIp6 = source.length === 16;
  const protocol = protocolOf(transport, isIp6);
  const bytes = unsummed(transport);
  const at = checksumAt(transport);
  if (at !== undefined) {
    const pseudo =
      transport.kind === "icmp" && !isIp6
        ? 0
        : pseudoHeaderSum(source, destination, protocol, bytes.length);
    const given = (transport as Tcp | Udp | Icmp).checksum;
    const computed = complement(fold(sum(bytes) + pseudo));
    // RFC 768: a computed zero is sent as all ones, since zero says that there is none.
    const sent = transport.kind === "udp" && computed === 0 ? 0xffff : computed;
    new DataView(bytes.buffer).setUint16(at, given ?? sent);
  }
  return { protocol, bytes };
}

function protocolOf(transport: Transport, isIp6: boolean): number {
  if (transport.kind === "raw") return transport.protocol;
  if (transport.kind === "icmp") return isIp6 ? PROTOCOL.icmp6 : PROTOCOL.icmp;
  return PROTOCOL[transport.kind];
}

/** Of one's complement sums. */
function checksumAt(transport: Transport): number | undefined {
  return { tcp: 16, udp: 6, icmp: 2, sctp: undefined, raw: undefined }[transport.kind];
}

function unsummed(transport: Transport): Uint8Array {
  switch (transport.kind) {
    case "tcp":
      return tcpBytes(transport);
    case "udp":
      return udpBytes(transport);
    case "sctp":
      return sctpBytes(transport);
    case "icmp":
      return icmpBytes(transport);
    case "raw":
      return (transport satisfies Raw).payload.slice();
  }
}

export const tcpFlagBits = (flags: string): number =>
  [...flags].reduce((bits, flag) => bits | (1 << TCP_FLAGS.indexOf(flag)), 0);

function tcpBytes(tcp: Tcp): Uint8Array {
  const { options = [], payload = nothing } = tcp;
  const headerLength = 20 + options.length;
  const bytes = new Uint8Array(headerLength + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, tcp.sourcePort);
  view.setUint16(2, tcp.destinationPort);
  view.setUint32(4, tcp.seq ?? 1000);
  view.setUint32(8, tcp.ack ?? 0);
  view.setUint8(12, (headerLength / 4) << 4);
  view.setUint8(13, tcpFlagBits(tcp.flags ?? "A"));
  view.setUint16(14, tcp.window ?? 64240);
  bytes.set(options, 20);
  bytes.set(payload, headerLength);
  return bytes;
}

function udpBytes({ sourcePort, destinationPort, payload = nothing }: Udp): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, bytes.length);
  bytes.set(payload, 8);
  return bytes;
}

function sctpBytes(sctp: Sctp): Uint8Array {
  const { chunk, payload = nothing, tag = chunk === "init" ? 0 : 7, checksum } = sctp;
  const bytes = new Uint8Array(16 + 4 * Math.ceil(payload.length / 4));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sctp.sourcePort);
  view.setUint16(2, sctp.destinationPort);
  view.setUint32(4, tag);
  view.setUint8(12, CHUNK[chunk]);
  view.setUint16(14, 4 + payload.length);
  bytes.set(payload, 16);
  view.setUint32(sctpChecksumAt, checksum ?? sctpChecksum(bytes), true);
  return bytes;
}

function icmpBytes({ type, code, rest = 0, payload = nothing }: Icmp): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint8(1, code);
  view.setUint32(4, rest);
  bytes.set(payload, 8);
  return bytes;
}
