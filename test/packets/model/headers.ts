import { CHUNK } from "../packet/packet.ts";

/** Addresses and ports of a packet, addresses of 4 or 16 bytes. */
export interface Tuple {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
}

/** A network header and where its transport header begins. Offsets count from the frame's start. */
export interface Network {
  readonly isIp6: boolean;
  readonly at: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly transportAt: number;
  /** Where the packet ends by its own length; of an embedded one, where the frame ends. */
  readonly end: number;
  readonly fragment?: { readonly id: number; readonly offset: number; readonly more: boolean };
  /** Something that a program may but need not take exception to. */
  readonly dubious: boolean;
}

export type Parsed =
  | { readonly kind: "foreign" | "malformed" | "routing" }
  | { readonly kind: "later"; readonly ip: Network }
  | {
      readonly kind: "segment";
      readonly ip: Network;
      readonly tuple: Tuple;
      readonly tcpFlags: number;
      readonly dubious: boolean;
    }
  | {
      readonly kind: "error";
      readonly ip: Network;
      readonly inner: Network;
      /** As the embedded packet went. */
      readonly innerTuple: Tuple;
      readonly dubious: boolean;
    };

export const TCP = 6;
export const UDP = 17;
export const SCTP = 132;
const ICMP = 1;
const ICMP6 = 58;
const maxExtensions = 8;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

export const u16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

export const u32 = (bytes: Uint8Array, at: number): number =>
  u16(bytes, at) * 0x10000 + u16(bytes, at + 2);

/**
 * RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443, as far as a translator reads them.
 * `isGso`: the device is to cut it; such a packet says a length of 0 where 64 KiB do not hold it.
 */
export function parse(frame: Uint8Array, isGso = false): Parsed {
  const ip = parseFrame(frame, isGso);
  if (typeof ip === "string") return { kind: ip };
  if (ip.fragment !== undefined && ip.fragment.offset > 0) {
    return hasPorts(ip) ? { kind: "later", ip } : { kind: "foreign" };
  }
  if (hasPorts(ip)) return parseSegment(frame, ip);
  if (ip.protocol === (ip.isIp6 ? ICMP6 : ICMP)) return parseError(frame, ip);
  return { kind: "foreign" };
}

const hasPorts = ({ protocol }: Network): boolean => [TCP, UDP, SCTP].includes(protocol);

type Refusal = "foreign" | "malformed" | "routing";

function parseFrame(frame: Uint8Array, isGso: boolean): Network | Refusal {
  if (frame.length < 14) return "foreign";
  const [type, limit] = [u16(frame, 12), frame.length];
  const unsaid = isGso ? limit - 14 : 0;
  if (type === 0x0800) return parseIp4(frame, { at: 14, limit, embedded: false, unsaid });
  if (type === 0x86dd) return parseIp6(frame, { at: 14, limit, embedded: false, unsaid });
  return "foreign";
}

/** Where a packet is. */
interface Extent {
  readonly at: number;
  readonly limit: number;
  /** In an ICMP error, where the packet may be cut. */
  readonly embedded: boolean;
  /** Its length where it says 0. */
  readonly unsaid: number;
}

function parseIp4(frame: Uint8Array, { at, limit, embedded, unsaid }: Extent): Network | Refusal {
  if (limit - at < 20) return "malformed";
  const headerLength = 4 * ((frame[at] ?? 0) & 15);
  const total = u16(frame, at + 2) || unsaid;
  if ((frame[at] ?? 0) >> 4 !== 4 || headerLength < 20) return "malformed";
  if (at + headerLength > limit || (!embedded && total < headerLength)) return "malformed";
  if (!embedded && at + total > limit) return "malformed";
  const bits = u16(frame, at + 6);
  const offset = 8 * (bits & 0x1fff);
  const more = (bits & 0x2000) !== 0;
  const end = embedded ? limit : at + total;
  return {
    isIp6: false,
    at,
    source: frame.subarray(at + 12, at + 16),
    destination: frame.subarray(at + 16, at + 20),
    protocol: frame[at + 9] ?? 0,
    transportAt: at + headerLength,
    end,
    ...(offset > 0 || more ? { fragment: { id: u16(frame, at + 4), offset, more } } : {}),
    dubious:
      (bits & 0x8000) !== 0 ||
      (embedded && total < headerLength + 8) ||
      oddPiece(more, offset, total - headerLength) ||
      wordSum(frame, at, at + headerLength) !== 0xffff ||
      oddSource4(frame, at + 12) ||
      oddDestination4(frame, at + 16),
  };
}

const oddPiece = (more: boolean, offset: number, length: number): boolean =>
  (more && (length % 8 !== 0 || length === 0)) || offset + length > 65515;

/** No host sends from it: RFC 1122 3.2.1.3. */
const oddSource4 = (frame: Uint8Array, at: number): boolean => {
  const first = frame[at] ?? 0;
  return first === 0 || first === 127 || first >= 224;
};

const oddDestination4 = oddSource4;

const oddAddress6 = (frame: Uint8Array, at: number): boolean =>
  frame[at] === 0xff || (u32(frame, at) === 0 && u32(frame, at + 4) === 0) || frame[at] === 0xfe;

function parseIp6(frame: Uint8Array, { at, limit, embedded, unsaid }: Extent): Network | Refusal {
  if (limit - at < 40) return "malformed";
  if ((frame[at] ?? 0) >> 4 !== 6) return "malformed";
  const said = u16(frame, at + 4);
  const end = said === 0 && unsaid > 0 ? at + unsaid : at + 40 + said;
  if (!embedded && end > limit) return "malformed";
  const chain = walkExtensions(frame, at, embedded ? limit : end);
  if (typeof chain === "string") return chain;
  return {
    isIp6: true,
    at,
    source: frame.subarray(at + 8, at + 24),
    destination: frame.subarray(at + 24, at + 40),
    ...chain,
    end: embedded ? limit : end,
    dubious:
      chain.dubious ||
      (embedded && end < chain.transportAt + 8) ||
      oddAddress6(frame, at + 8) ||
      oddAddress6(frame, at + 24),
  };
}

type Chain = Pick<Network, "protocol" | "transportAt" | "fragment" | "dubious">;

function walkExtensions(frame: Uint8Array, at: number, end: number): Chain | Refusal {
  let next = frame[at + 6] ?? 0;
  let here = at + 40;
  let fragment: Network["fragment"];
  let dubious = false;
  for (let count = 0; isExtension(next); count++) {
    if (count === maxExtensions) return "foreign";
    if (here + 8 > end) return "malformed";
    if (next === 0 && count > 0) dubious = true;
    const length = extensionLength(frame, here, next);
    if (here + length > end) return "malformed";
    if (next === 43 && (frame[here + 3] ?? 0) > 0) return "routing";
    if (next === 44) {
      if (fragment !== undefined) dubious = true;
      const bits = u16(frame, here + 2);
      const offset = bits & 0xfff8;
      fragment = { id: u32(frame, here + 4), offset, more: (bits & 1) !== 0 };
      dubious ||= oddPiece(fragment.more, offset, end - here - 8) || (bits & 6) !== 0;
      if (offset > 0) {
        // What follows the fragment header in the first fragment is named here all the same.
        return { protocol: frame[here] ?? 0, transportAt: here + 8, fragment, dubious };
      }
    }
    next = frame[here] ?? 0;
    here += length;
  }
  return { protocol: next, transportAt: here, dubious, ...(fragment ? { fragment } : {}) };
}

const isExtension = (next: number): boolean => [0, 43, 44, 51, 60].includes(next);

function extensionLength(frame: Uint8Array, at: number, kind: number): number {
  if (kind === 44) return 8;
  const length = frame[at + 1] ?? 0;
  return kind === 51 ? 4 * (length + 2) : 8 * (length + 1);
}

function tupleAt(frame: Uint8Array, ip: Network): Tuple {
  return {
    source: ip.source,
    destination: ip.destination,
    sourcePort: u16(frame, ip.transportAt),
    destinationPort: u16(frame, ip.transportAt + 2),
    protocol: ip.protocol,
  };
}

function parseSegment(frame: Uint8Array, ip: Network): Parsed {
  const length = ip.end - ip.transportAt;
  if (length < ({ [TCP]: 20, [SCTP]: 16 }[ip.protocol] ?? 8)) return { kind: "malformed" };
  const tuple = tupleAt(frame, ip);
  if (ip.protocol === SCTP) {
    const tcpFlags = flagsOfChunk(frame[ip.transportAt + 12] ?? 0);
    return { kind: "segment", ip, tuple, tcpFlags, dubious: ip.dubious || oddPorts(tuple) };
  }
  const whole = ip.fragment === undefined || !ip.fragment.more;
  if (ip.protocol === UDP) {
    const said = u16(frame, ip.transportAt + 4);
    const odd = said < 8 || (whole && said > length) || oddPorts(tuple);
    return { kind: "segment", ip, tuple, tcpFlags: 0, dubious: ip.dubious || odd };
  }
  const headerLength = 4 * ((frame[ip.transportAt + 12] ?? 0) >> 4);
  const tcpFlags = frame[ip.transportAt + 13] ?? 0;
  const odd = headerLength < 20 || headerLength > length || oddPorts(tuple) || oddFlags(tcpFlags);
  return { kind: "segment", ip, tuple, tcpFlags, dubious: ip.dubious || odd };
}

/** How far an association has come, in the flags that TCP has for it (RFC 9260 5, 9). */
function flagsOfChunk(type: number): number {
  if (type === CHUNK.init) return SYN;
  if (type === CHUNK.abort || type === CHUNK.shutdownComplete) return RST;
  return type === CHUNK.shutdown || type === CHUNK.shutdownAck ? FIN | ACK : ACK;
}

const oddPorts = ({ sourcePort, destinationPort }: Tuple): boolean =>
  sourcePort === 0 || destinationPort === 0;

/** SYN together with what ends a connection. */
const oddFlags = (flags: number): boolean => (flags & SYN) !== 0 && (flags & (FIN | RST)) !== 0;

const errorTypes = { ip4: [3, 11, 12], ip6: [1, 2, 3, 4] } as const;

function parseError(frame: Uint8Array, ip: Network): Parsed {
  if (ip.end - ip.transportAt < 8) return { kind: "malformed" };
  const types: readonly number[] = ip.isIp6 ? errorTypes.ip6 : errorTypes.ip4;
  if (!types.includes(frame[ip.transportAt] ?? 0)) return { kind: "foreign" };
  const at = ip.transportAt + 8;
  const extent = { at, limit: ip.end, embedded: true, unsaid: 0 };
  const inner = ip.isIp6 ? parseIp6(frame, extent) : parseIp4(frame, extent);
  if (typeof inner === "string") return { kind: "malformed" };
  if (!hasPorts(inner)) return { kind: "foreign" };
  if (inner.fragment !== undefined && inner.fragment.offset > 0) return { kind: "foreign" };
  if (inner.end - inner.transportAt < 4) return { kind: "malformed" };
  const cut =
    inner.end - inner.transportAt < 8 ||
    ip.fragment !== undefined ||
    (ip.isIp6 && inner.transportAt - inner.at > 40);
  const innerTuple = tupleAt(frame, inner);
  return { kind: "error", ip, inner, innerTuple, dubious: ip.dubious || inner.dubious || cut };
}

/** Not folded from a shared helper: the model reads by itself what the builders write. */
function wordSum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0;
  for (let at = from; at < to; at += 2) total += u16(bytes, at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}
