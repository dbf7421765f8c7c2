/** Whether packets that skip the stack would miss rules of netfilter. */
export type NetfilterRules =
  | { readonly kind: "none" }
  /** A clause such as "chain inet filter forward has 3 rules". */
  | { readonly kind: "present"; readonly what: string }
  /** What keeps them from being read. */
  | { readonly kind: "unknown"; readonly why: string };

/** A base chain of nftables. */
export interface BaseChain {
  /** NFPROTO_*. */
  readonly family: number;
  readonly table: string;
  readonly name: string;
  /** "filter", "nat" or "route". */
  readonly type: string;
  /** NF_INET_* or, in the netdev family, NF_NETDEV_*. */
  readonly hook: number;
  readonly rules: number;
  readonly dropsByPolicy: boolean;
}

const FAMILY_NAMES: Readonly<Record<number, string>> = {
  1: "inet",
  2: "ip",
  5: "netdev",
  10: "ip6",
};
const NFPROTO_NETDEV = 5;
/** Prerouting, forward, postrouting; and ingress, which the inet family has since Linux 5.10. */
const SKIPPED_HOOKS: readonly number[] = [0, 2, 4, 5];
const NF_NETDEV_INGRESS = 0;

/**
 * What a packet would miss that goes from one device's TC hook straight to another device: every
 * filter on the way through the node, where a CNI may keep its network policies. Chains of type nat
 * are not among them: they judge new connections of netfilter's own, and ours are none of those.
 */
export function judgeChains(chains: readonly BaseChain[]): NetfilterRules {
  const missed = chains.filter((chain) => isSkipped(chain) && holdsAnything(chain));
  const [first, ...others] = missed;
  if (first === undefined) return { kind: "none" };
  const more = others.length === 0 ? "" : `, and ${others.length} more like it`;
  return { kind: "present", what: `${describe(first)}${more}` };
}

function isSkipped({ family, hook, type }: BaseChain): boolean {
  if (type === "nat" || FAMILY_NAMES[family] === undefined) return false;
  return family === NFPROTO_NETDEV ? hook === NF_NETDEV_INGRESS : SKIPPED_HOOKS.includes(hook);
}

const holdsAnything = ({ rules, dropsByPolicy }: BaseChain): boolean => rules > 0 || dropsByPolicy;

function describe({ family, table, name, rules, dropsByPolicy }: BaseChain): string {
  const chain = `chain ${FAMILY_NAMES[family]} ${table} ${name}`;
  if (rules === 0 && dropsByPolicy) return `${chain} drops by policy`;
  return `${chain} has ${rules} ${rules === 1 ? "rule" : "rules"}`;
}

/** Of the tables of the older iptables that have rules: a module's presence counts as rules. */
export function judgeLegacy(tables: Readonly<Record<string, readonly string[]>>): NetfilterRules {
  for (const [command, names] of Object.entries(tables)) {
    const table = names.find((name) => name !== "nat");
    if (table === undefined) continue;
    return { kind: "present", what: `the ${table} table of ${command} is loaded` };
  }
  return { kind: "none" };
}
