import { describe, expect, it } from "vitest";
import { type BaseChain, judgeChains, judgeLegacy } from "../../agent/network/netfilter_rules.ts";

const chain = (rest: Partial<BaseChain> = {}): BaseChain => ({
  family: 1,
  table: "filter",
  name: "forward",
  type: "filter",
  hook: 2,
  rules: 3,
  dropsByPolicy: false,
  ...rest,
});

describe("rules are missed by skipping the stack", () => {
  it.each([
    ["at forward", chain(), "chain inet filter forward has 3 rules"],
    ["of IPv4 only", chain({ family: 2, rules: 1 }), "chain ip filter forward has 1 rule"],
    ["of IPv6 only", chain({ family: 10 }), "chain ip6 filter forward has 3 rules"],
    [
      "at prerouting",
      chain({ name: "PREROUTING", table: "raw", hook: 0 }),
      "chain inet raw PREROUTING has 3 rules",
    ],
    ["at postrouting", chain({ name: "post", hook: 4 }), "chain inet filter post has 3 rules"],
    ["at ingress", chain({ family: 5, hook: 0 }), "chain netdev filter forward has 3 rules"],
    [
      "that are none, and the policy is to drop",
      chain({ rules: 0, dropsByPolicy: true }),
      "chain inet filter forward drops by policy",
    ],
  ])("%s", (_, missed, what) => {
    expect(judgeChains([missed])).toEqual({ kind: "present", what });
  });

  it("and there are more of them", () => {
    expect(judgeChains([chain({ rules: 0 }), chain(), chain(), chain()])).toEqual({
      kind: "present",
      what: "chain inet filter forward has 3 rules, and 2 more like it",
    });
  });

  it("in tables of the older iptables, other than nat", () => {
    expect(judgeLegacy({ iptables: ["nat"], ip6tables: ["nat", "mangle"] })).toEqual({
      kind: "present",
      what: "the mangle table of ip6tables is loaded",
    });
  });
});

describe("no rule is missed", () => {
  it.each([
    ["where there is no chain", []],
    ["by an empty chain", [chain({ rules: 0 })]],
    ["at input", [chain({ hook: 1 })]],
    ["at output", [chain({ hook: 3 })]],
    ["of network address translation, which judges its own connections", [chain({ type: "nat" })]],
    ["of a bridge, whose frames still pass it", [chain({ family: 7 })]],
    ["at a device's egress, where packets still pass", [chain({ family: 5, hook: 1 })]],
  ])("%s", (_, chains) => {
    expect(judgeChains(chains)).toEqual({ kind: "none" });
  });

  it("where the older iptables has no table, or nat only", () => {
    expect(judgeLegacy({ iptables: [], ip6tables: ["nat"] })).toEqual({ kind: "none" });
  });
});
