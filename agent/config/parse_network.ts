import { MAGLEV_TABLE_SIZES } from "../compile/spread.ts";
import { type Prefix, parsePrefix } from "../network/prefix.ts";
import type { DeviceChoice, NodePortAddresses, PortRangeSetting } from "../network/settings.ts";
import { wrong } from "./parse.ts";

/** Parsers of the settings of the per-packet path; they throw as those of parse.ts do. */

export function parseDevices(text: string): DeviceChoice {
  if (text === "auto") return { kind: "auto" };
  const patterns = text.split(",").map((part) => part.trim());
  if (!patterns.every(isDevicePattern)) {
    throw wrong(
      text,
      'use "auto", or names of devices separated by commas, in which * and ? stand for any',
    );
  }
  return { kind: "named", patterns };
}

export function parsePodDevices(text: string): DeviceChoice {
  return text === "off" ? { kind: "off" } : parseDevices(text);
}

/** IFNAMSIZ leaves 15 bytes; the kernel refuses "/", ":" and white space in a name. */
const isDevicePattern = (text: string): boolean =>
  /^[^\s/:,]{1,15}$/.test(text) && text !== "." && text !== "..";

const nodePortWords = ["primary", "all", "localhost", "no-localhost"] as const;

export function parseNodePortAddresses(text: string): NodePortAddresses {
  const parts = text.split(",").map((part) => part.trim());
  const has = (word: (typeof nodePortWords)[number]): boolean => parts.includes(word);
  const cidrs = parts.filter((part) => !nodePortWords.some((word) => word === part));
  return {
    primary: has("primary"),
    all: has("all"),
    localhost: has("localhost"),
    ...(has("no-localhost") && { noLocalhost: true }),
    prefixes: cidrs.map((cidr) => prefixOf(cidr)),
  };
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return prefix;
  throw wrong(text, 'use "primary", "all", "localhost" or a CIDR such as 192.168.1.0/24');
}

export function parsePortRange(text: string): PortRangeSetting {
  if (text === "auto") return "auto";
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const first = Number(from);
  const last = Number(to);
  if (!(first >= 1 && first <= last && last <= 65_535)) {
    throw wrong(text, 'use "auto" or FIRST-LAST, from 1 to 65535');
  }
  return { first, last };
}

export function parseBoolean(text: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  throw wrong(text, "use true or false");
}

/** The slots of a slice that is picked from by a hash. */
export function parseMaglevTableSize(text: string): number {
  const size = MAGLEV_TABLE_SIZES.find((known) => `${known}` === text);
  if (size === undefined) throw wrong(text, `use one of ${MAGLEV_TABLE_SIZES.join(", ")}`);
  return size;
}
