/** The one's complement sum of big-endian 16-bit words, an odd byte padded with zero (RFC 1071). */
export function sum(bytes: Uint8Array, from = 0, to = bytes.length, initial = 0): number {
  let total = initial;
  for (let at = from; at + 1 < to; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if ((to - from) % 2 === 1) total += (bytes[to - 1] ?? 0) << 8;
  return fold(total);
}

export function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

export const complement = (folded: number): number => ~folded & 0xffff;

/** The sum over the pseudo header of RFC 9293 3.1 or RFC 8200 8.1. */
export function pseudoHeaderSum(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  length: number,
): number {
  return fold(sum(source) + sum(destination) + protocol + (length >>> 16) + (length & 0xffff));
}
