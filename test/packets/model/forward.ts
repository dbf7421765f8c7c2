import { Reason } from "../../../bpf/build/layout.ts";
import { macBytes } from "../packet/address.ts";
import { concat } from "../packet/encode.ts";
import { icmpError, mayComplain, timeExceeded, tooBig } from "./answer.ts";
import type { Path } from "./connection.ts";
import { type Parsed, SCTP, type Tuple } from "./headers.ts";
import type { Event } from "./model.ts";
import { DROP, dropped, type Outcome, REDIRECT, STACK } from "./outcome.ts";
import { Rewrite } from "./rewrite.ts";

export type Segment = Extract<Parsed, { kind: "segment" }>;

const isFirst = ({ ip }: Segment): boolean => (ip.fragment?.offset ?? 0) === 0;

/** A piece of an SCTP packet does not tell what another port makes of the checksum of the whole. */
export function isBeyondMending({ ip, tuple }: Segment, becomes: Tuple): boolean {
  const { offset = 0, more = false } = ip.fragment ?? {};
  const isPiece = more || offset > 0;
  const keepsPorts =
    tuple.sourcePort === becomes.sourcePort && tuple.destinationPort === becomes.destinationPort;
  return ip.protocol === SCTP && isPiece && !keepsPorts;
}

/** Translated, and on through the stack. */
export function toStack(event: Event, segment: Segment, becomes: Tuple): Outcome {
  const rewrite = new Rewrite(event.frame);
  rewrite.tuple(segment.ip, becomes, isFirst(segment));
  return { name: "to the stack", verdict: STACK, packet: rewrite.bytes, reason: undefined };
}

/**
 * Translated and sent out of a device, or what becomes of a packet that must not be: `mayClimb`
 * says that the stack can take it over.
 */
export function forward(
  event: Event,
  segment: Segment,
  becomes: Tuple,
  path: Extract<Path, { kind: "device" }>,
  mayClimb: boolean,
): readonly Outcome[] {
  const { frame, gsoSize } = event;
  const { ip } = segment;
  const climb = toStack(event, segment, becomes);
  if (hopsLeft(frame, segment) <= 1) return mayClimb ? [climb] : [expired(event, segment)];
  const length = ip.end - ip.at;
  if (gsoSize === 0 && length > path.device.mtu)
    return oversize(event, segment, path, climb, mayClimb);
  return [redirected(event, segment, becomes, path)];
}

/** Who stands in for the client says so itself (RFC 792, RFC 4443 3.3). */
function expired({ frame }: Event, { ip, tuple }: Segment): Outcome {
  const isQuiet = !mayComplain({ frame, ip, tuple });
  return {
    name: "time exceeded",
    verdict: isQuiet ? DROP : REDIRECT,
    packet: isQuiet ? undefined : icmpError({ frame, ip }, timeExceeded(ip.isIp6)),
    reason: Reason.DROPPED_TTL,
    uncertain: true,
  };
}

const hopsLeft = (frame: Uint8Array, { ip }: Segment): number =>
  frame[ip.at + (ip.isIp6 ? 7 : 8)] ?? 0;

export function redirected(
  event: Event,
  segment: Segment,
  becomes: Tuple,
  path: Extract<Path, { kind: "device" }>,
): Outcome {
  const rewrite = new Rewrite(event.frame);
  rewrite.tuple(segment.ip, becomes, isFirst(segment));
  rewrite.hop(segment.ip);
  return sent(rewrite, path);
}

/** Link-layer addresses are written from memory, or by the neighbour table after the program. */
export function sent(
  rewrite: Rewrite,
  { device, nextHopMac }: Extract<Path, { kind: "device" }>,
): Outcome {
  const known = nextHopMac !== undefined;
  return {
    name: `out of ${device.name}`,
    verdict: REDIRECT,
    packet: rewrite.bytes,
    ...(known ? { macs: concat(nextHopMac, macBytes(device.mac)) } : {}),
    reason: undefined,
  };
}

/** PF-29: the sender is told, where it asked not to be fragmented. */
function oversize(
  event: Event,
  segment: Segment,
  { device }: Extract<Path, { kind: "device" }>,
  climb: Outcome,
  mayClimb: boolean,
): readonly Outcome[] {
  const { frame } = event;
  const { ip } = segment;
  const mustNotCut = ip.isIp6 || ((frame[ip.at + 6] ?? 0) & 0x40) !== 0;
  const answer: Outcome = {
    name: "too big",
    verdict: REDIRECT,
    packet: icmpError({ frame, ip }, tooBig(ip.isIp6, device.mtu)),
    reason: Reason.REFUSED_TOO_BIG,
    uncertain: true,
  };
  const tell = mayComplain({ frame, ...segment });
  const silent: Outcome = dropped(Reason.REFUSED_TOO_BIG, true);
  const others = mayClimb ? [{ ...climb, uncertain: true }] : [];
  if (mustNotCut) return tell ? [answer, ...others] : [silent, ...others];
  return mayClimb ? others : [answer, silent];
}
