import { contains, parsePrefix } from "../../network/prefix.ts";
import { networkOf } from "./cidr.ts";
import type { Values } from "./values.ts";

/**
 * At which addresses NodePorts answer, as our setting has it. Where no field says so it is a matter
 * of the mode; localhost is one in mode iptables alone (KP-26, KP-27).
 */
export function nodePortsText(values: Values): string {
  const mode = values.get("mode")?.value ?? "iptables";
  const listedAt = values.get("nodePortAddresses")?.value as readonly string[] | undefined;
  const wantsLocalhost = values.get("iptables.localhostNodePorts")?.value !== false;
  const atLocalhost = mode === "iptables" && wantsLocalhost;
  return listedAt ? listed(listedAt, atLocalhost) : unlisted(mode === "nftables", atLocalhost);
}

function unlisted(isNftables: boolean, atLocalhost: boolean): string {
  if (isNftables) return "primary";
  return atLocalhost ? "all,localhost" : "all";
}

function listed(items: readonly string[], atLocalhost: boolean): string {
  if (items[0] === "primary") return "primary";
  const networks = items.flatMap((item) => networkOf(item) ?? []);
  const holds = (address: string) =>
    networks.some(({ cidr }) => {
      const prefix = parsePrefix(cidr);
      return prefix !== undefined && contains(prefix, address);
    });
  const texts = networks.map(({ cidr }) => cidr);
  if (!atLocalhost || !holds("127.0.0.1")) {
    const isHeld = holds("127.0.0.1") || holds("::1");
    return [...texts, ...(isHeld ? ["no-localhost"] : [])].join(",");
  }
  // The word speaks for the other family, which had all of its addresses without it.
  const others = networks.some(({ family }) => family === "IPv6") ? [] : ["::/0"];
  return [...texts, ...others, "localhost"].join(",");
}
