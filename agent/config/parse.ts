import { isIP, isIPv4, isIPv6 } from "node:net";
import { canonicalAddress, familyOf } from "../model/ip.ts";

/**
 * Parsers of setting values. Each takes the text that a person wrote and throws an `Error` whose
 * message ends the sentence "SETTING: ..." and says what would be right.
 */

/** Where the desired state comes from. */
export type SourceSetting =
  | { readonly kind: "kubernetes" }
  | { readonly kind: "directory"; readonly path: string };

export function parseSource(text: string): SourceSetting {
  if (text === "kubernetes") return { kind: "kubernetes" };
  const path = /^directory:(.+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: "directory", path };
  throw wrong(text, 'use "kubernetes" or "directory:PATH"');
}

/** An address to listen on. The host is an IP address or "localhost"; "" means every address. */
export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[IPv6]:PORT` or `:PORT`; "" and "off" mean that the server is not wanted. */
export function parseBindAddress(text: string): BindAddress | undefined {
  if (text === "" || text === "off") return undefined;
  const match = /^(?:\[(?<six>[^\]]*)\]|(?<host>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text);
  const { six, host = "", port } = match?.groups ?? {};
  const known = six === undefined ? host === "" || host === "localhost" || isIP(host) : isIPv6(six);
  if (!match || !known || Number(port) > 65535) {
    throw wrong(text, 'use IP:PORT, [IPv6]:PORT or :PORT, or "off" for no server');
  }
  return { host: six ?? host, port: Number(port) };
}

/** As `parseBindAddress`; an IPv4 address alone means this port of it. */
export const parseBindAddressOn = (port: number) => (text: string) =>
  parseBindAddress(isIPv4(text) ? `${text}:${port}` : text);

export function formatBindAddress({ host, port }: BindAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A parser of one of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]) {
  return (text: string): Word => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw wrong(text, `use one of ${words.join(", ")}`);
    return word;
  };
}

/** Entries of a map: 1 to 16,777,216. */
export function parseEntries(text: string): number {
  const entries = /^\d{1,8}$/.test(text) ? Number(text) : 0;
  if (entries < 1 || entries > 2 ** 24) {
    throw wrong(text, "use a whole number from 1 to 16777216");
  }
  return entries;
}

export function parseAbsolutePath(text: string): string {
  if (!text.startsWith("/")) throw wrong(text, "use an absolute path");
  return text;
}

/** The kernel holds a socket's path in 108 bytes with a NUL at the end (unix(7)). */
export function parseSocketPath(text: string): string {
  const path = parseAbsolutePath(text);
  if (Buffer.byteLength(path) > 107) throw wrong(text, "use a path of at most 107 bytes");
  return path;
}

export function parsePath(text: string): string {
  if (text === "") throw wrong(text, "use a path");
  return text;
}

export function parseServer(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (protocol !== "https:" && protocol !== "http:") {
    throw wrong(text, "use the URL of an API server, such as https://10.0.0.1:6443");
  }
  return text;
}

/** Kubernetes takes a DNS subdomain (RFC 1123) for the name of a Node. */
export function parseNodeName(text: string): string {
  if (text.length > 253 || !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(text)) {
    throw wrong(text, 'use the name of the Node: lower-case letters, digits, "-" and "."');
  }
  return text;
}

/** Addresses of a node, one of each family at most, in canonical text; "" means none. */
export function parseNodeIp(text: string): readonly string[] {
  if (text === "") return [];
  const addresses = text.split(",").map((part) => canonicalAddress(part.trim()));
  const known = addresses.filter((address) => address !== undefined);
  const families = new Set(known.map(familyOf));
  if (known.length < addresses.length || families.size < addresses.length) {
    throw wrong(text, "use an IP address, or one of each family with a comma between");
  }
  return known;
}

/** That a value cannot be taken, and what could be. */
export function wrong(text: string, instead: string): Error {
  return new Error(`${JSON.stringify(text)} is not valid; ${instead}`);
}
