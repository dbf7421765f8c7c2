import type { IpFamily } from "./address.ts";

const COLON = 0x3a;
const DOT = 0x2e;
const ZERO = 0x30;

const scratch = new Uint8Array(16);

/**
 * Writes the address as 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), and
 * returns its family. Undefined, and unspecified bytes, where the text is no plain address: leading
 * zeros in an octet, zone ids, prefixes and white space are refused. Text like ::ffff:10.0.0.1
 * means the IPv4 address, as it does to Kubernetes. Needs 16 bytes from `offset`.
 */
export function addressBytes(text: string, into: Uint8Array, offset: number): IpFamily | undefined {
  if (text.indexOf(":") < 0) {
    into.fill(0, offset, offset + 10);
    into.fill(0xff, offset + 10, offset + 12);
    return parseIPv4(text, 0, into, offset + 12) ? "IPv4" : undefined;
  }
  if (!parseIPv6(text, into, offset)) return undefined;
  return isMapped(into, offset) ? "IPv4" : "IPv6";
}

/** The canonical text (RFC 5952; dotted for v4-mapped) of the 16 bytes at `offset`. */
export function addressText(bytes: Uint8Array, offset: number): string {
  if (!isMapped(bytes, offset)) return textIPv6(bytes, offset);
  const at = offset + 12;
  return `${byte(bytes, at)}.${byte(bytes, at + 1)}.${byte(bytes, at + 2)}.${byte(bytes, at + 3)}`;
}

/** The family of an address; undefined where `addressBytes` would refuse the text. */
export function familyOf(text: string): IpFamily | undefined {
  return addressBytes(text, scratch, 0);
}

/** The one spelling of an address (see `addressText`); undefined for anything else. */
export function canonicalAddress(text: string): string | undefined {
  if (addressBytes(text, scratch, 0) === undefined) return undefined;
  return text.indexOf(":") < 0 ? text : addressText(scratch, 0);
}

/** Exactly four octets, from `index` to the end of the text. */
function parseIPv4(text: string, index: number, into: Uint8Array, offset: number): boolean {
  let value = -1;
  let octets = 0;
  for (let at = index; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (value < 0 || octets === 3) return false;
      into[offset + octets++] = value;
      value = -1;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || value === 0) return false;
    value = value < 0 ? digit : value * 10 + digit;
    if (value > 255) return false;
  }
  if (value < 0 || octets !== 3) return false;
  into[offset + 3] = value;
  return true;
}

function parseIPv6(text: string, into: Uint8Array, offset: number): boolean {
  const end = text.length;
  let written = 0;
  let gap = -1;
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return false;
    gap = 0;
    at = 2;
  }
  while (at < end) {
    const start = at;
    let value = 0;
    for (let digit = 0; at < end && at - start <= 4; at++) {
      digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    if (at < end && text.charCodeAt(at) === DOT) {
      if (written > 12 || !parseIPv4(text, start, into, offset + written)) return false;
      written += 4;
      break;
    }
    if (at === start || at - start > 4 || written === 16) return false;
    into[offset + written++] = value >> 8;
    into[offset + written++] = value & 0xff;
    if (at === end) break;
    if (text.charCodeAt(at++) !== COLON || at === end) return false;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return false;
      gap = written;
      at++;
    }
  }
  return gap < 0 ? written === 16 : openGap(into, offset, gap, written);
}

/** Puts the zeros that `::` stands for, at least one group of them, between head and tail. */
function openGap(into: Uint8Array, offset: number, gap: number, written: number): boolean {
  const zeros = 16 - written;
  if (zeros === 0) return false;
  into.copyWithin(offset + gap + zeros, offset + gap, offset + written);
  into.fill(0, offset + gap, offset + gap + zeros);
  return true;
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= 0x39) return code - ZERO;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let at = 0; at < 10; at++) if (bytes[offset + at] !== 0) return false;
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
}

/** Lower case, no leading zeros, the first of the longest runs of two or more zeros as `::`. */
function textIPv6(bytes: Uint8Array, offset: number): string {
  let gap = -1;
  let longest = 1;
  for (let group = 0; group < 8; group++) {
    const zeros = zeroRun(bytes, offset, group);
    if (zeros > longest) {
      gap = group;
      longest = zeros;
    }
    group += zeros;
  }
  let text = "";
  for (let group = 0; group < 8; group++) {
    if (group === gap) {
      text += "::";
      group += longest - 1;
      continue;
    }
    if (group > 0 && group !== gap + longest) text += ":";
    text += groupAt(bytes, offset, group).toString(16);
  }
  return text;
}

function zeroRun(bytes: Uint8Array, offset: number, from: number): number {
  let group = from;
  while (group < 8 && groupAt(bytes, offset, group) === 0) group++;
  return group - from;
}

function groupAt(bytes: Uint8Array, offset: number, group: number): number {
  const at = offset + group * 2;
  return byte(bytes, at) * 256 + byte(bytes, at + 1);
}

function byte(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined) throw new RangeError(`an address needs 16 bytes, none at ${at}`);
  return value;
}
