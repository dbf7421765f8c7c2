import { sctpChecksum, sctpChecksumAt } from "../packet/crc32c.ts";
import { type Network, SCTP, TCP, type Tuple, UDP, u16 } from "./headers.ts";

/** A copy of the frame, changed field by field with every checksum kept in step (RFC 1624). */
export class Rewrite {
  readonly bytes: Uint8Array;

  constructor(frame: Uint8Array) {
    this.bytes = frame.slice();
  }

  /** Gives a packet other addresses and, unless it is a later fragment, ports. */
  tuple(ip: Network, to: Tuple, withPorts: boolean): void {
    const sums = this.#transportSums(ip, withPorts);
    const crc = ip.protocol === SCTP && withPorts ? sctpChecksum(this.#transport(ip)) : undefined;
    this.#addresses(ip, to.source, to.destination, sums);
    if (withPorts) this.#ports(ip, to, sums);
    if (crc !== undefined) this.#adjustCrc(ip, crc ^ sctpChecksum(this.#transport(ip)));
  }

  #transport(ip: Network): Uint8Array {
    return this.bytes.subarray(ip.transportAt, ip.end);
  }

  /** As right or wrong as before; zero is what the device will compute. */
  #adjustCrc(ip: Network, change: number): void {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset);
    const at = ip.transportAt + sctpChecksumAt;
    const old = view.getUint32(at, true);
    if (old !== 0) view.setUint32(at, old ^ change, true);
  }

  /**
   * Of an ICMP error: the outer and the embedded packet. RFC 5508 asks for the embedded headers as
   * they were; those of TCP and SCTP may lack their checksum, and nobody looks at it.
   */
  error(
    ip: Network,
    inner: Network,
    outer: { readonly source: Uint8Array; readonly destination: Uint8Array },
    embedded: Tuple,
    withTcpCheck: boolean,
  ): void {
    const icmp = { at: ip.transportAt + 2, udp: false };
    this.#addresses(ip, outer.source, outer.destination, ip.isIp6 ? [icmp] : []);
    const before = this.bytes.slice(inner.at, inner.end);
    const sums = this.#transportSums(inner, withTcpCheck || inner.protocol !== TCP);
    this.#addresses(inner, embedded.source, embedded.destination, sums);
    this.#ports(inner, embedded, sums);
    const after = this.bytes.slice(inner.at, inner.end);
    this.#adjust(icmp, difference(before, after));
  }

  /** One hop less (RFC 1812 5.3.1, RFC 8200 3). */
  hop(ip: Network): void {
    const at = ip.at + (ip.isIp6 ? 7 : 8);
    const before = this.bytes.slice(at & ~1, (at & ~1) + 2);
    this.bytes[at] = (this.bytes[at] ?? 0) - 1;
    const after = this.bytes.slice(at & ~1, (at & ~1) + 2);
    if (!ip.isIp6) this.#adjust({ at: ip.at + 10, udp: false }, difference(before, after));
  }

  #transportSums(ip: Network, present: boolean): readonly Sum[] {
    const at = ip.transportAt + (ip.protocol === TCP ? 16 : 6);
    if (!present || ip.protocol === SCTP || at + 2 > ip.end) return [];
    return [{ at, udp: ip.protocol === UDP }];
  }

  #addresses(ip: Network, source: Uint8Array, destination: Uint8Array, sums: readonly Sum[]): void {
    const at = ip.at + (ip.isIp6 ? 8 : 12);
    const own = ip.isIp6 ? [] : [{ at: ip.at + 10, udp: false }];
    this.#put(at, source, [...sums, ...own]);
    this.#put(at + source.length, destination, [...sums, ...own]);
  }

  #ports(ip: Network, to: Tuple, sums: readonly Sum[]): void {
    this.#put(ip.transportAt, word(to.sourcePort), sums);
    this.#put(ip.transportAt + 2, word(to.destinationPort), sums);
  }

  #put(at: number, value: Uint8Array, sums: readonly Sum[]): void {
    const change = difference(this.bytes.subarray(at, at + value.length), value);
    this.bytes.set(value, at);
    for (const each of sums) this.#adjust(each, change);
  }

  #adjust({ at, udp }: Sum, change: number): void {
    const old = u16(this.bytes, at);
    if (udp && old === 0) return;
    const adjusted = ~fold((~old & 0xffff) + change) & 0xffff;
    this.bytes.set(word(udp && adjusted === 0 ? 0xffff : adjusted), at);
  }
}

interface Sum {
  readonly at: number;
  /** Zero says that there is none, and is never the outcome (RFC 768). */
  readonly udp: boolean;
}

const word = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

/** ~m + m' of RFC 1624, over words. */
function difference(before: Uint8Array, after: Uint8Array): number {
  let total = 0;
  for (let at = 0; at < before.length; at += 2) {
    const odd = at + 1 === before.length;
    const [old, now] = odd
      ? [(before[at] ?? 0) << 8, (after[at] ?? 0) << 8]
      : [u16(before, at), u16(after, at)];
    total += (~old & 0xffff) + now;
  }
  return fold(total);
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}
