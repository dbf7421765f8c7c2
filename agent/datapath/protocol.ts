import type { Protocol } from "../model/address.ts";

/** As the maps hold protocols (IANA protocol numbers, IPPROTO_*). */
export const protocolNumber: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** Undefined: no protocol that a Service can have. */
export function protocolName(number: number): Protocol | undefined {
  switch (number) {
    case protocolNumber.TCP:
      return "TCP";
    case protocolNumber.UDP:
      return "UDP";
    case protocolNumber.SCTP:
      return "SCTP";
    default:
      return undefined;
  }
}
