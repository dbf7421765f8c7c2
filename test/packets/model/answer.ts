import { ipText, macText } from "../packet/address.ts";
import { sctpChecksum, sctpChecksumAt } from "../packet/crc32c.ts";
import { concat, encode } from "../packet/encode.ts";
import { type Fields, fieldsOf } from "../packet/fields.ts";
import { ACK, FIN, type Network, RST, SCTP, SYN, TCP, type Tuple, u32 } from "./headers.ts";
import { isNodeAddress } from "./services.ts";

/** What is wrong with an answer; undefined: nothing. */
export type Judge = (answer: Uint8Array) => string | undefined;

interface Question {
  readonly frame: Uint8Array;
  readonly ip: Network;
  readonly tuple: Tuple;
  readonly tcpFlags: number;
}

const free = new Set(["ip.ttl", "ip.tos", "ip.id", "ip.flags", "tcp.window"]);

/** The reset of RFC 9293 3.10.7.1 to a segment without ACK. */
export function reset({ frame, ip, tuple, tcpFlags }: Question): Judge {
  const headerLength = 4 * ((frame[ip.transportAt + 12] ?? 0) >> 4);
  const phantom = (tcpFlags & SYN ? 1 : 0) + (tcpFlags & FIN ? 1 : 0);
  const length = ip.end - ip.transportAt - headerLength + phantom;
  const expected = encode({
    ethernet: {
      source: macText(frame.subarray(0, 6)),
      destination: macText(frame.subarray(6, 12)),
    },
    source: ipText(tuple.destination),
    destination: ipText(tuple.source),
    transport: {
      kind: "tcp",
      sourcePort: tuple.destinationPort,
      destinationPort: tuple.sourcePort,
      flags: "RA",
      seq: 0,
      ack: (u32(frame, ip.transportAt + 4) + length) >>> 0,
    },
  });
  return (answer) => differing("reset", fieldsOf(expected), fieldsOf(answer));
}

/** The abort of RFC 9260 8.4 to an INIT, under the tag that it names. */
export function abort({ frame, ip, tuple }: Question): Judge {
  const isUnsummed = u32(frame, ip.transportAt + sctpChecksumAt) === 0;
  const expected = encode({
    ethernet: {
      source: macText(frame.subarray(0, 6)),
      destination: macText(frame.subarray(6, 12)),
    },
    source: ipText(tuple.destination),
    destination: ipText(tuple.source),
    transport: {
      kind: "sctp",
      sourcePort: tuple.destinationPort,
      destinationPort: tuple.sourcePort,
      chunk: "abort",
      tag: u32(frame, ip.transportAt + 16),
      ...(isUnsummed ? { checksum: 0 } : {}),
    },
  });
  return (answer) => differing("abort", fieldsOf(expected), fieldsOf(answer));
}

/** The tag that an INIT names is behind its chunk's header. */
export const isWholeInit = ({ ip }: Question): boolean => ip.end - ip.transportAt >= 20;

function differing(name: string, want: Fields, have: Fields): string | undefined {
  if (Number(have.get("ip.ttl")) < 32) return `the ${name} would not get far`;
  const names = [...want.keys(), ...have.keys()].filter((each) => !free.has(each));
  const wrong = names.find((each) => want.get(each) !== have.get(each));
  return wrong && `${name}: ${wrong} is ${have.get(wrong)}, not ${want.get(wrong)}`;
}

/** Whether an ICMP error may be sent: RFC 1122 3.2.2, RFC 4443 2.4 (e). */
export function mayComplain({
  frame,
  tuple,
  ip,
}: Pick<Question, "frame" | "tuple" | "ip">): boolean {
  const [first = 0] = tuple.source;
  const odd = ip.isIp6
    ? first === 0xff || tuple.source.every((byte, i) => byte === 0 || i === 15)
    : first === 0 || first === 127 || first >= 224;
  // ICMPv6 has no such rule about fragments.
  const isFirst = ip.isIp6 || (ip.fragment?.offset ?? 0) === 0;
  return !odd && isFirst && ((frame[0] ?? 0) & 1) === 0;
}

/** Whether a refusal may be sent: a reset is not reset (RFC 9293 3.10.7.1). */
export const mayRefuse = (question: Question): boolean =>
  mayComplain(question) && !(question.tuple.protocol === TCP && question.tcpFlags & RST);

export const isOpening = (tcpFlags: number): boolean => (tcpFlags & (SYN | ACK)) === SYN;

export interface IcmpWanted {
  readonly type: number;
  readonly code: number;
  /** The four bytes after the checksum. */
  readonly rest: number;
}

export const portUnreachable = (isIp6: boolean): IcmpWanted =>
  isIp6 ? { type: 1, code: 4, rest: 0 } : { type: 3, code: 3, rest: 0 };

export const tooBig = (isIp6: boolean, mtu: number): IcmpWanted =>
  isIp6 ? { type: 2, code: 0, rest: mtu } : { type: 3, code: 4, rest: mtu };

export const timeExceeded = (isIp6: boolean): IcmpWanted =>
  isIp6 ? { type: 3, code: 0, rest: 0 } : { type: 11, code: 0, rest: 0 };

/** An ICMP error to the sender that quotes the packet as it came (RFC 792, RFC 1812 4.3.2, RFC 4443). */
export function icmpError(
  { frame, ip }: Pick<Question, "frame" | "ip">,
  wanted: IcmpWanted,
): Judge {
  const original = frame.subarray(ip.at, ip.end);
  const limit = ip.isIp6 ? 1280 : 576;
  // Quoted in words of 4 bytes; behind a longer chain of extension headers, nothing of the transport.
  const least = Math.min(original.length & ~3, ip.transportAt - ip.at + 8, 96);
  return (answer) => {
    const fields = fieldsOf(completed(answer, ip));
    const is = (name: string, value: string | number) =>
      fields.get(name) === String(value)
        ? undefined
        : `${name} is ${fields.get(name)}, not ${value}`;
    const at = 14 + (ip.isIp6 ? 48 : 28);
    const quoted = answer.subarray(at);
    const source = fields.get("ip.src") ?? "";
    const ours = source === ipText(ip.destination) || isOwnText(source, answer, ip.isIp6);
    return (
      is("eth.to", macText(frame.subarray(6, 12))) ??
      is("eth.from", macText(frame.subarray(0, 6))) ??
      is("ip.dst", ipText(ip.source)) ??
      is("icmp.type", wanted.type) ??
      is("icmp.code", wanted.code) ??
      is("icmp.rest", wanted.rest) ??
      is("icmp.checksum", "ok") ??
      (ip.isIp6 ? undefined : is("ip.checksum", "ok")) ??
      (ours ? undefined : `comes from ${source}`) ??
      (fields.has("padding") ? "bytes behind the packet" : undefined) ??
      (answer.length - 14 > limit ? `${answer.length - 14} bytes, above ${limit}` : undefined) ??
      (quoted.length < least ? `quotes ${quoted.length} bytes of ${least}` : undefined) ??
      (quoted.every((byte, i) => byte === original[i]) ? undefined : "quotes another packet")
    );
  };
}

/** As the device sends it: with SCTP's checksum in the quoted packet, where that was left to it. */
function completed(answer: Uint8Array, ip: Network): Uint8Array {
  const at = 14 + (ip.isIp6 ? 48 : 28) + ip.transportAt - ip.at;
  const isPiece = ip.fragment?.more === true || (ip.fragment?.offset ?? 0) > 0;
  const transport = answer.slice(at);
  if (ip.protocol !== SCTP || isPiece || transport.length < 12) return answer;
  const view = new DataView(transport.buffer);
  if (view.getUint32(sctpChecksumAt) !== 0) return answer;
  view.setUint32(sctpChecksumAt, sctpChecksum(transport), true);
  return concat(answer.subarray(0, at), transport);
}

const isOwnText = (_text: string, answer: Uint8Array, isIp6: boolean): boolean =>
  isNodeAddress(isIp6 ? answer.subarray(22, 38) : answer.subarray(26, 30));
