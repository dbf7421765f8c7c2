import { isDeepStrictEqual } from "node:util";
import { subscribeNetlink } from "libbpf-ts/netlink";
import { readNetfilter } from "./netfilter.ts";
import type { NetfilterRules } from "./netfilter_rules.ts";

const NFNLGRP_NFTABLES = 7;
/** A ruleset is loaded by many messages. */
const DELAY_MS = 50;

/** Knows whether netfilter has rules that packets could miss, soon after that changes. */
export class NetfilterWatch {
  readonly #onChange: () => void;
  #rules: NetfilterRules = { kind: "unknown", why: "not read yet" };
  #planned: NodeJS.Timeout | undefined;
  #close: () => void = () => {};
  #isClosed = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get rules(): NetfilterRules {
    return this.#rules;
  }

  async start(): Promise<void> {
    try {
      const subscription = subscribeNetlink("netfilter", {
        groups: [NFNLGRP_NFTABLES],
        onMessage: () => this.#plan(),
        onOverrun: () => this.#plan(),
        onError: () => this.#plan(),
      });
      subscription.unref();
      this.#close = () => subscription.close();
    } catch {
      // A kernel without nf_tables. The older iptables tells nobody anyway: both are looked at.
    }
    await this.look();
  }

  /** Reads the rules now. */
  async look(): Promise<void> {
    const rules = await readNetfilter();
    if (this.#isClosed || isDeepStrictEqual(rules, this.#rules)) return;
    this.#rules = rules;
    this.#onChange();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#planned);
    this.#close();
  }

  #plan(): void {
    if (this.#planned !== undefined || this.#isClosed) return;
    this.#planned = setTimeout(() => {
      this.#planned = undefined;
      void this.look();
    }, DELAY_MS);
  }
}
