import { ipText, macText } from "./address.ts";
import { fold, pseudoHeaderSum, sum } from "./checksum.ts";
import { sctpChecksum, sctpChecksumAt } from "./crc32c.ts";
import { CHUNK, ETHERTYPE, PROTOCOL, TCP_FLAGS } from "./packet.ts";

/** A packet taken apart, for people: names and values in the order of the bytes. Never throws. */
export type Fields = Map<string, string>;

const extensionNames: Readonly<Record<number, string>> = {
  [PROTOCOL.hopByHop]: "hop-by-hop",
  [PROTOCOL.routing]: "routing",
  [PROTOCOL.fragment]: "fragment",
  [PROTOCOL.authentication]: "authentication",
  [PROTOCOL.destinationOptions]: "destination-options",
};

const chunkNames = new Map<number, string>(
  Object.entries(CHUNK).map(([name, number]) => [number, name]),
);

/** Of a frame, from the Ethernet header on. */
export function fieldsOf(frame: Uint8Array): Fields {
  const fields: Fields = new Map();
  guarded(fields, () => {
    fields.set("eth.to", macText(frame.subarray(0, 6)));
    fields.set("eth.from", macText(frame.subarray(6, 12)));
    const view = viewOf(frame);
    const type = view.getUint16(12);
    if (type === ETHERTYPE.vlan) {
      fields.set("vlan", String(view.getUint16(14)));
      networkFields(fields, "", frame.subarray(18), view.getUint16(16));
    } else networkFields(fields, "", frame.subarray(14), type);
  });
  return fields;
}

function guarded(fields: Fields, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    fields.set("cut", "here");
  }
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function networkFields(fields: Fields, prefix: string, packet: Uint8Array, type: number): void {
  if (type === ETHERTYPE.ip4) ip4Fields(fields, prefix, packet);
  else if (type === ETHERTYPE.ip6) ip6Fields(fields, prefix, packet);
  else fields.set(`${prefix}type`, `0x${type.toString(16)}`).set(`${prefix}bytes`, hex(packet));
}

function ip4Fields(fields: Fields, prefix: string, packet: Uint8Array): void {
  const view = viewOf(packet);
  const headerLength = 4 * (view.getUint8(0) & 15);
  const total = view.getUint16(2);
  const flags = view.getUint16(6);
  const source = packet.subarray(12, 16);
  const destination = packet.subarray(16, 20);
  const set = (name: string, value: string | number) =>
    fields.set(`${prefix}${name}`, String(value));
  set("ip.version", view.getUint8(0) >> 4);
  set("ip.src", ipText(source));
  set("ip.dst", ipText(destination));
  set("ip.ttl", view.getUint8(8));
  set("ip.tos", view.getUint8(1));
  set("ip.id", view.getUint16(4));
  set(
    "ip.flags",
    `${flags & 0x4000 ? "DF" : ""}${flags & 0x2000 ? "MF" : ""}${flags & 0x8000 ? "RF" : ""}`,
  );
  set("ip.offset", 8 * (flags & 0x1fff));
  set("ip.length", total);
  set(
    "ip.checksum",
    headerLength >= 20 && sum(packet, 0, headerLength) === 0xffff
      ? "ok"
      : `bad ${view.getUint16(10)}`,
  );
  if (headerLength > 20) set("ip.options", hex(packet.subarray(20, headerLength)));
  const protocol = view.getUint8(9);
  const body = packet.subarray(headerLength, Math.max(total, headerLength));
  const whole = (flags & 0x3fff) === 0 && packet.length >= total;
  const pseudo = pseudoHeaderSum(source, destination, protocol, body.length);
  if (flags & 0x1fff) set("bytes", hex(body));
  else transportFields(fields, prefix, protocol, body, whole ? pseudo : undefined);
  if (packet.length > total) set("padding", packet.length - total);
}

function ip6Fields(fields: Fields, prefix: string, packet: Uint8Array): void {
  const view = viewOf(packet);
  const total = 40 + view.getUint16(4);
  const source = packet.subarray(8, 24);
  const destination = packet.subarray(24, 40);
  const set = (name: string, value: string | number) =>
    fields.set(`${prefix}${name}`, String(value));
  set("ip.version", view.getUint8(0) >> 4);
  set("ip.src", ipText(source));
  set("ip.dst", ipText(destination));
  set("ip.ttl", view.getUint8(7));
  set("ip.tos", (view.getUint16(0) >> 4) & 255);
  set("ip.length", total);
  let next = view.getUint8(6);
  let at = 40;
  let isPiece = false;
  for (let name = extensionNames[next]; name !== undefined; name = extensionNames[next]) {
    const length =
      next === PROTOCOL.fragment
        ? 8
        : next === PROTOCOL.authentication
          ? 4 * (view.getUint8(at + 1) + 2)
          : 8 * (view.getUint8(at + 1) + 1);
    set(`ext@${at}`, `${name} ${hex(packet.subarray(at + 1, at + length))}`);
    if (next === PROTOCOL.fragment) {
      isPiece ||= (view.getUint16(at + 2) & 0xfff9) !== 0;
      if (view.getUint16(at + 2) & 0xfff8) {
        set("bytes", hex(packet.subarray(at + length, total)));
        return;
      }
    }
    next = view.getUint8(at);
    at += length;
  }
  const body = packet.subarray(at, Math.max(total, at));
  const pseudo = pseudoHeaderSum(source, destination, next, body.length);
  transportFields(
    fields,
    prefix,
    next,
    body,
    isPiece || packet.length < total ? undefined : pseudo,
  );
  if (packet.length > total) set("padding", packet.length - total);
}

/** `pseudo`: the sum of the pseudo header, or undefined where the checksum cannot be judged. */
function transportFields(
  fields: Fields,
  prefix: string,
  protocol: number,
  body: Uint8Array,
  pseudo: number | undefined,
): void {
  const view = viewOf(body);
  const set = (name: string, value: string | number) =>
    fields.set(`${prefix}${name}`, String(value));
  const judge = (field: number, initial: number | undefined): string =>
    initial === undefined
      ? String(field)
      : fold(sum(body) + initial) === 0xffff
        ? "ok"
        : `bad ${field}`;
  if (protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp || protocol === PROTOCOL.sctp) {
    set("sport", view.getUint16(0));
    set("dport", view.getUint16(2));
  }
  if (protocol === PROTOCOL.tcp) {
    set("tcp.seq", view.getUint32(4));
    set("tcp.ack", view.getUint32(8));
    const bits = view.getUint8(13);
    set("tcp.flags", [...TCP_FLAGS].filter((_, i) => bits & (1 << i)).join(""));
    set("tcp.window", view.getUint16(14));
    set("tcp.urgent", view.getUint16(18));
    set("tcp.checksum", judge(view.getUint16(16), pseudo));
    const length = 4 * (view.getUint8(12) >> 4);
    set("tcp.options", hex(body.subarray(20, length)));
    set("payload", hex(body.subarray(Math.max(20, length))));
  } else if (protocol === PROTOCOL.udp) {
    set("udp.length", view.getUint16(4));
    set("udp.checksum", view.getUint16(6) === 0 ? "none" : judge(view.getUint16(6), pseudo));
    set("payload", hex(body.subarray(8)));
  } else if (protocol === PROTOCOL.sctp) {
    const field = view.getUint32(sctpChecksumAt, true);
    const isRight = pseudo === undefined || field === sctpChecksum(body);
    set("sctp.tag", view.getUint32(4));
    set("sctp.checksum", field === 0 ? "none" : isRight ? "ok" : `bad ${field}`);
    set("sctp.chunk", chunkNames.get(view.getUint8(12)) ?? view.getUint8(12));
    set("sctp.flags", view.getUint8(13));
    set("sctp.length", view.getUint16(14));
    set("payload", hex(body.subarray(16)));
  } else if (protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmp6) {
    icmpFields(
      fields,
      prefix,
      protocol,
      body,
      judge(view.getUint16(2), protocol === PROTOCOL.icmp ? pseudo && 0 : pseudo),
    );
  } else set("protocol", protocol).set(`${prefix}bytes`, hex(body));
}

function icmpFields(
  fields: Fields,
  prefix: string,
  protocol: number,
  body: Uint8Array,
  checksum: string,
): void {
  const view = viewOf(body);
  const set = (name: string, value: string | number) =>
    fields.set(`${prefix}${name}`, String(value));
  const type = view.getUint8(0);
  set("icmp.type", type);
  set("icmp.code", view.getUint8(1));
  set("icmp.checksum", checksum);
  set("icmp.rest", view.getUint32(4));
  const isError = protocol === PROTOCOL.icmp ? [3, 4, 5, 11, 12].includes(type) : type < 128;
  if (isError && prefix === "") {
    const ethertype = protocol === PROTOCOL.icmp ? ETHERTYPE.ip4 : ETHERTYPE.ip6;
    guarded(fields, () => networkFields(fields, "in.", body.subarray(8), ethertype));
  } else set("payload", hex(body.subarray(8)));
}
