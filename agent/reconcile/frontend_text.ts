import { type FrontendKey, FrontendScope } from "../../bpf/build/layout.ts";
import type { DesiredService, Frontend } from "../compile/records.ts";
import { protocolName, protocolNumber } from "../datapath/protocol.ts";
import type { Protocol } from "../model/address.ts";
import { addressText } from "../model/ip.ts";
import { addressInto } from "./backend_match.ts";

/** What stands before the address where it is not itself that is meant. */
const nodePort = "NodePort ";
const otherScope = /^scope (\d+) /;

/**
 * One string per frontend: "10.96.0.1:443/TCP", "[fd00::1]:443/TCP", "NodePort 0.0.0.0:30443/TCP".
 */
export function frontendText(
  address: string,
  port: number,
  protocol: Protocol | number,
  prefix = "",
): string {
  const host = address.includes(":") ? `[${address}]` : address;
  // Joined rather than concatenated: it is kept, and V8 keeps concatenations with all their parts.
  return [prefix, host, ":", port, "/", protocol].join("");
}

/** That of a Service port's frontend. */
export const textOfFrontend = (
  { protocol }: DesiredService["id"],
  { kind, address, port }: Frontend,
): string => frontendText(address, port, protocol, kind === "NodePort" ? nodePort : "");

/** Those of one Service port. */
export const frontendTexts = ({ id, frontends }: DesiredService): readonly string[] =>
  frontends.map((frontend) => textOfFrontend(id, frontend));

/** A protocol or scope that no Service can have stays a number. */
export function textOfKey({ address, port, protocol, scope }: FrontendKey): string {
  const prefix = scope === FrontendScope.SCOPE_NODE_PORT ? nodePort : `scope ${scope} `;
  const name = protocolName(protocol) ?? protocol;
  return frontendText(addressText(address, 0), port, name, scope === 0 ? "" : prefix);
}

/** The inverse of `textOfKey`. */
export function keyOfText(text: string): FrontendKey {
  const { scope, rest } = scopeOf(text);
  const colon = rest.lastIndexOf(":");
  const slash = rest.lastIndexOf("/");
  const protocol = rest.slice(slash + 1);
  return {
    address: addressInto(hostOf(rest), new Uint8Array(16)),
    port: Number(rest.slice(colon + 1, slash)),
    protocol: isProtocol(protocol) ? protocolNumber[protocol] : Number(protocol),
    scope,
  };
}

/** The address that a frontend has to itself; undefined: it is a NodePort. */
export const addressOfText = (text: string): string | undefined =>
  scopeOf(text).scope === FrontendScope.SCOPE_ADDRESS ? hostOf(text) : undefined;

function scopeOf(text: string): { readonly scope: number; readonly rest: string } {
  if (text.startsWith(nodePort)) {
    return { scope: FrontendScope.SCOPE_NODE_PORT, rest: text.slice(nodePort.length) };
  }
  const [prefix = "", scope] = text.startsWith("s") ? (otherScope.exec(text) ?? []) : [];
  return { scope: Number(scope ?? FrontendScope.SCOPE_ADDRESS), rest: text.slice(prefix.length) };
}

function hostOf(text: string): string {
  const host = text.slice(0, text.lastIndexOf(":"));
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

const isProtocol = (text: string): text is Protocol => text in protocolNumber;
