import { cidrText, parseCidr } from "../model/cidr.ts";
import { addressBytes, addressText } from "../model/ip.ts";

const MAPPED_BITS = 96;
const ALL_BITS = 128;

/**
 * The ranges in which every address without a frontend is refused (KP-31): all of `cidrs` but the
 * addresses `foreign`, which other proxies serve (KP-01). Canonical, each once; a range with such
 * an address falls into as many smaller ones as it takes to leave that out.
 */
export function refusedRanges(
  cidrs: Iterable<string>,
  foreign: Iterable<string>,
): ReadonlySet<string> {
  const holes = Array.from(foreign, bytesOf);
  return new Set(Array.from(cidrs).flatMap((cidr) => split(cidr, holes)));
}

function split(text: string, holes: readonly Uint8Array[]): readonly string[] {
  const cidr = parseCidr(text);
  if (cidr === undefined) return [];
  const before = cidr.family === "IPv4" ? MAPPED_BITS : 0;
  const ranges = without(bytesOf(cidr.address), before + cidr.prefixLength, holes);
  return ranges.map(({ start, bits }) =>
    cidrText({ family: cidr.family, address: addressText(start, 0), prefixLength: bits - before }),
  );
}

interface Range {
  readonly start: Uint8Array;
  readonly bits: number;
}

function without(start: Uint8Array, bits: number, holes: readonly Uint8Array[]): readonly Range[] {
  const inside = holes.filter((hole) => isWithin(start, bits, hole));
  if (inside.length === 0) return [{ start, bits }];
  if (bits === ALL_BITS) return [];
  const upper = start.with(bits >> 3, (start[bits >> 3] ?? 0) | (0x80 >> (bits & 7)));
  return [...without(start, bits + 1, inside), ...without(upper, bits + 1, inside)];
}

function isWithin(start: Uint8Array, bits: number, address: Uint8Array): boolean {
  const whole = bits >> 3;
  for (let at = 0; at < whole; at++) if (start[at] !== address[at]) return false;
  const rest = 0xff00 >> (bits & 7);
  return (bits & 7) === 0 || (((start[whole] ?? 0) ^ (address[whole] ?? 0)) & rest & 0xff) === 0;
}

function bytesOf(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  addressBytes(address, bytes, 0);
  return bytes;
}
