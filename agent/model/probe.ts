import type { IpFamily } from "./address.ts";

/**
 * Where the agent reaches itself, to see whether Services work (PF-06). They can be nobody's: the IPv4
 * dummy address, which is never a destination (RFC 7600), and one to discard (RFC 6666).
 */
export const probeAddresses: Readonly<Record<IpFamily, string>> = {
  IPv4: "192.0.0.8",
  IPv6: "100::8",
};
