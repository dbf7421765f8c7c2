import { existsSync, readFileSync } from "node:fs";
import { BpfError, isPermission } from "libbpf-ts";
import { Attributes, MESSAGE_FLAGS, type NetlinkMessage, openNetlink } from "libbpf-ts/netlink";
import {
  type BaseChain,
  judgeChains,
  judgeLegacy,
  type NetfilterRules,
} from "./netfilter_rules.ts";

const NFT_MSG_NEWCHAIN = 0x0a03;
const NFT_MSG_GETCHAIN = 0x0a04;
const HEADER_SIZE = 4;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_USE = 6;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NF_DROP = 0;

const LEGACY_TABLES = {
  iptables: "/proc/self/net/ip_tables_names",
  ip6tables: "/proc/self/net/ip6_tables_names",
} as const;

/** The rules of this network namespace that packets would miss by skipping the stack. */
export async function readNetfilter(): Promise<NetfilterRules> {
  try {
    const legacy = judgeLegacy(readLegacyTables());
    return legacy.kind === "none" ? judgeChains(await readBaseChains()) : legacy;
  } catch (error) {
    if (isAbsent(error)) return { kind: "none" };
    const why = isPermission(error) ? "CAP_NET_ADMIN is needed" : (error as Error).message;
    return { kind: "unknown", why };
  }
}

/** A kernel without nf_tables, or one that nobody has loaded. */
const isAbsent = (error: unknown): boolean =>
  error instanceof BpfError && ["EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT"].includes(error.code);

function readLegacyTables(): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    Object.entries(LEGACY_TABLES).map(([command, path]) => {
      const text = existsSync(path) ? readFileSync(path, "utf8") : "";
      return [command, text.split("\n").filter((name) => name !== "")] as const;
    }),
  );
}

async function readBaseChains(): Promise<BaseChain[]> {
  using netlink = openNetlink("netfilter");
  const messages = await netlink.request({
    type: NFT_MSG_GETCHAIN,
    flags: MESSAGE_FLAGS.dump,
    payload: new Uint8Array(HEADER_SIZE),
  });
  return messages.flatMap((message) => parseBaseChain(message) ?? []);
}

/** Undefined for a chain that no hook leads to. */
function parseBaseChain({ type, payload }: NetlinkMessage): BaseChain | undefined {
  const attributes = new Attributes(payload.subarray(HEADER_SIZE));
  const hook = attributes.nested(NFTA_CHAIN_HOOK)?.be32(NFTA_HOOK_HOOKNUM);
  const family = payload[0];
  if (type !== NFT_MSG_NEWCHAIN || hook === undefined || family === undefined) return undefined;
  return {
    family,
    table: attributes.string(NFTA_CHAIN_TABLE) ?? "",
    name: attributes.string(NFTA_CHAIN_NAME) ?? "",
    type: attributes.string(NFTA_CHAIN_TYPE) ?? "filter",
    hook,
    // Nothing may jump to a base chain: what uses it are its rules.
    rules: attributes.be32(NFTA_CHAIN_USE) ?? 0,
    dropsByPolicy: attributes.be32(NFTA_CHAIN_POLICY) === NF_DROP,
  };
}
