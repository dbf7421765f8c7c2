import { readFileSync } from "node:fs";
import { MESSAGE_FLAGS, type NetlinkSocket, openNetlink, stringAttribute } from "libbpf-ts/netlink";

/** By what a mode of kube-proxy is known. The older iptables shows its chains to nobody but itself. */
export type ProxyRules = "nftables" | "iptables" | "ipvs";

/** What another service proxy has put, or left, in this network namespace. */
export interface ServiceProxy {
  readonly rules: ProxyRules;
  /** For people: "table ip kube-proxy of nftables". */
  readonly what: string;
}

const NFT_MSG_GETTABLE = 0x0a01;
const NFT_MSG_GETCHAIN = 0x0a04;
const NFTA_TABLE_NAME = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const FAMILIES = { ip: 2, ip6: 10 } as const;
type Family = keyof typeof FAMILIES;
const DEVICES = "/proc/self/net/dev";

/** Asks for what is known by name, so that the cost does not grow with the rules (PF-41). */
export async function findServiceProxies(): Promise<readonly ServiceProxy[]> {
  const found: ServiceProxy[] = [...findIpvs(readFileSync(DEVICES, "utf8"))];
  try {
    using netlink = openNetlink("netfilter");
    for (const family of ["ip", "ip6"] as const) {
      if (await exists(netlink, family, tableRequest)) {
        found.push({ rules: "nftables", what: `table ${family} kube-proxy of nftables` });
      }
      if (await exists(netlink, family, chainRequest)) {
        found.push({ rules: "iptables", what: `chain KUBE-SERVICES of iptables (${family} nat)` });
      }
    }
  } catch {
    // A kernel without nf_tables has none of its rules.
  }
  return found;
}

/** The device to which kube-proxy gives the addresses of Services. */
export function findIpvs(devices: string): readonly ServiceProxy[] {
  const isThere = devices.split("\n").some((line) => line.trim().startsWith("kube-ipvs0:"));
  return isThere ? [{ rules: "ipvs", what: "device kube-ipvs0 of IPVS" }] : [];
}

const tableRequest = {
  type: NFT_MSG_GETTABLE,
  attributes: [stringAttribute(NFTA_TABLE_NAME, "kube-proxy")],
};

const chainRequest = {
  type: NFT_MSG_GETCHAIN,
  attributes: [
    stringAttribute(NFTA_CHAIN_TABLE, "nat"),
    stringAttribute(NFTA_CHAIN_NAME, "KUBE-SERVICES"),
  ],
};

/** A refusal of whatever kind is no sign of one: nobody is told of a proxy that was not seen. */
async function exists(
  netlink: NetlinkSocket,
  family: Family,
  { type, attributes }: { readonly type: number; readonly attributes: readonly Uint8Array[] },
): Promise<boolean> {
  // struct nfgenmsg: family, version, and an id that is not used.
  const header = Uint8Array.of(FAMILIES[family], 0, 0, 0);
  const payload = Buffer.concat([header, ...attributes]);
  try {
    const messages = await netlink.request({ type, flags: MESSAGE_FLAGS.request, payload });
    return messages.length > 0;
  } catch {
    return false;
  }
}
