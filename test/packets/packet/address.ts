import { isIPv4, isIPv6 } from "node:net";

/** The 4 or 16 bytes of an address in text. */
export function ipBytes(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text)) throw new Error(`${text} is no address`);
  const [head = "", tail] = text.split("::");
  const left = words(head);
  const right = words(tail ?? "");
  const zeros = Array<number>(tail === undefined ? 0 : 8 - left.length - right.length).fill(0);
  return Uint8Array.from([...left, ...zeros, ...right].flatMap((word) => [word >> 8, word & 255]));
}

const words = (text: string): number[] =>
  text === "" ? [] : text.split(":").map((word) => Number.parseInt(word, 16));

/** Canonical text (RFC 5952, without the dotted form). */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const text = Array.from({ length: 8 }, (_, i) => wordAt(bytes, 2 * i).toString(16)).join(":");
  const runs = [...text.matchAll(/(?<![^:])0(:0)+(?![^:])/g)];
  const longest = runs.reduce((best, [run]) => (run.length > best.length ? run : best), "");
  if (longest === "") return text;
  const at = text.search(new RegExp(`(?<![^:])${longest}(?![^:])`));
  const [before, after] = [text.slice(0, at), text.slice(at + longest.length)];
  return `${before.replace(/:$/, "")}::${after.replace(/^:/, "")}`;
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** As the maps hold it: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export function mapped(address: Uint8Array): Uint8Array {
  if (address.length === 16) return address;
  const whole = new Uint8Array(16);
  whole.set([0xff, 0xff], 10);
  whole.set(address, 12);
  return whole;
}

export const macBytes = (text: string): Uint8Array =>
  Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));

export const macText = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
