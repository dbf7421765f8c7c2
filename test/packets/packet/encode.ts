import { ipBytes, macBytes } from "./address.ts";
import { complement, sum } from "./checksum.ts";
import {
  ETHERTYPE,
  type EthernetSpec,
  type Extension,
  type FragmentSpec,
  type PacketSpec,
  PROTOCOL,
} from "./packet.ts";
import { encodeTransport } from "./transport.ts";

/** The frame, from the Ethernet header on. */
export function encode(spec: PacketSpec): Uint8Array {
  const ip = encodeIp(spec);
  const type = ip[0]! >> 4 === 4 ? ETHERTYPE.ip4 : ETHERTYPE.ip6;
  return concat(ethernetHeader(spec.ethernet, type), ip, new Uint8Array(spec.padding ?? 0));
}

/** The packet from the network header on, as ICMP errors embed it. */
export function encodeIp(spec: Omit<PacketSpec, "ethernet" | "padding">): Uint8Array {
  const source = ipBytes(spec.source);
  const destination = ipBytes(spec.destination);
  const { protocol, bytes } = encodeTransport(spec.transport, source, destination);
  const { payload, more } = piece(bytes, spec.fragment);
  return source.length === 4
    ? concat(ip4Header(spec, source, destination, protocol, payload.length, more), payload)
    : ip6Packet(spec, source, destination, protocol, payload, more);
}

/** Both fragments of a packet that is cut after `at` bytes of transport header and payload. */
export function fragmentsOf(
  spec: PacketSpec,
  at: number,
  id = 0x4242,
): readonly [PacketSpec, PacketSpec] {
  return [
    { ...spec, fragment: { id, offset: 0, length: at } },
    { ...spec, fragment: { id, offset: at } },
  ];
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function piece(bytes: Uint8Array, fragment: FragmentSpec | undefined) {
  if (fragment === undefined) return { payload: bytes, more: false };
  const end = fragment.length === undefined ? bytes.length : fragment.offset + fragment.length;
  return { payload: bytes.slice(fragment.offset, end), more: end < bytes.length };
}

function ethernetHeader({ source, destination, vlan }: EthernetSpec, type: number): Uint8Array {
  const tag =
    vlan === undefined ? [] : [ETHERTYPE.vlan >> 8, ETHERTYPE.vlan & 255, vlan >> 8, vlan & 255];
  return concat(
    macBytes(destination),
    macBytes(source),
    Uint8Array.from([...tag, type >> 8, type & 255]),
  );
}

function ip4Header(
  spec: Omit<PacketSpec, "ethernet">,
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  payloadLength: number,
  more: boolean,
): Uint8Array {
  const { options = [], fragment } = spec;
  const bytes = new Uint8Array(20 + options.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x40 | (bytes.length / 4));
  view.setUint8(1, spec.tos ?? 0);
  view.setUint16(2, bytes.length + payloadLength);
  view.setUint16(4, fragment?.id ?? spec.id ?? 0x1234);
  const flags = (spec.dontFragment ? 0x4000 : 0) | (more ? 0x2000 : 0);
  view.setUint16(6, flags | ((fragment?.offset ?? 0) / 8));
  view.setUint8(8, spec.ttl ?? 64);
  view.setUint8(9, protocol);
  bytes.set(source, 12);
  bytes.set(destination, 16);
  bytes.set(options, 20);
  view.setUint16(10, complement(sum(bytes)));
  return bytes;
}

function ip6Packet(
  spec: Omit<PacketSpec, "ethernet">,
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  payload: Uint8Array,
  more: boolean,
): Uint8Array {
  const headers = [
    ...(spec.extensions ?? []),
    ...(spec.fragment === undefined ? [] : [{ ...spec.fragment, kind: "fragment" as const, more }]),
  ];
  const chain = headers.map((header, i) => {
    const next = headers[i + 1];
    return extensionBytes(header, next === undefined ? protocol : extensionNumber(next));
  });
  const rest = concat(...chain, payload);
  const fixed = new Uint8Array(40);
  const view = new DataView(fixed.buffer);
  view.setUint32(0, (0x60000000 | ((spec.tos ?? 0) << 20)) >>> 0);
  view.setUint16(4, rest.length);
  view.setUint8(6, headers[0] === undefined ? protocol : extensionNumber(headers[0]));
  view.setUint8(7, spec.ttl ?? 64);
  fixed.set(source, 8);
  fixed.set(destination, 24);
  return concat(fixed, rest);
}

type Header = Extension | (FragmentSpec & { readonly kind: "fragment"; readonly more: boolean });

function extensionNumber({ kind }: Header): number {
  return {
    "hop-by-hop": PROTOCOL.hopByHop,
    "destination-options": PROTOCOL.destinationOptions,
    routing: PROTOCOL.routing,
    authentication: PROTOCOL.authentication,
    fragment: PROTOCOL.fragment,
  }[kind];
}

function extensionBytes(header: Header, next: number): Uint8Array {
  switch (header.kind) {
    case "hop-by-hop":
    case "destination-options": {
      const bytes = new Uint8Array(8 * (1 + (header.words ?? 0)));
      // One PadN option that fills the header.
      bytes.set([next, header.words ?? 0, 1, bytes.length - 4]);
      return bytes;
    }
    case "routing":
      return Uint8Array.from([
        next,
        2,
        header.type ?? 2,
        header.segmentsLeft,
        0,
        0,
        0,
        0,
        ...ipBytes("2001:db8:ffff::1"),
      ]);
    case "authentication": {
      const bytes = new Uint8Array(12 + 4 * (header.words ?? 3));
      bytes.set([next, bytes.length / 4 - 2]);
      return bytes;
    }
    case "fragment": {
      const bytes = new Uint8Array(8);
      const view = new DataView(bytes.buffer);
      bytes[0] = next;
      view.setUint16(2, header.offset | (header.more ? 1 : 0));
      view.setUint32(4, header.id);
      return bytes;
    }
  }
}
