import type { FrontendKey } from "../../bpf/build/layout.ts";
import type { DesiredService } from "../compile/records.ts";
import { protocolName, protocolNumber } from "../datapath/protocol.ts";
import type { Protocol } from "../model/address.ts";
import { addressText } from "../model/ip.ts";
import { addressInto } from "./backend_match.ts";

/** One string per frontend: "10.96.0.1:443/TCP", "[fd00::1]:443/TCP". */
export function frontendText(address: string, port: number, protocol: Protocol | number): string {
  const host = address.includes(":") ? `[${address}]` : address;
  // Joined rather than concatenated: it is kept, and V8 keeps concatenations with all their parts.
  return [host, ":", port, "/", protocol].join("");
}

/** Those of one Service port. */
export const frontendTexts = ({ id, frontends }: DesiredService): readonly string[] =>
  frontends.map(({ address, port }) => frontendText(address, port, id.protocol));

/** A protocol that no Service can have stays a number. */
export const textOfKey = ({ address, port, protocol }: FrontendKey): string =>
  frontendText(addressText(address, 0), port, protocolName(protocol) ?? protocol);

/** The inverse of `textOfKey`. */
export function keyOfText(text: string): FrontendKey {
  const colon = text.lastIndexOf(":");
  const slash = text.lastIndexOf("/");
  const host = text.startsWith("[") ? text.slice(1, colon - 1) : text.slice(0, colon);
  const protocol = text.slice(slash + 1);
  return {
    address: addressInto(host, new Uint8Array(16)),
    port: Number(text.slice(colon + 1, slash)),
    protocol: isProtocol(protocol) ? protocolNumber[protocol] : Number(protocol),
    scope: 0,
  };
}

const isProtocol = (text: string): text is Protocol => text in protocolNumber;
