/** TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT. */
export const STACK = -1;
export const DROP = 2;
export const REDIRECT = 7;

export interface Observed {
  readonly verdict: number;
  readonly packet: Uint8Array;
}

/** One thing that a program may do with a packet. */
export interface Outcome {
  /** For people. */
  readonly name: string;
  readonly verdict: number;
  /** What it looks like then: bytes, a judge that says what is wrong, or nothing of interest. */
  readonly packet: Uint8Array | ((packet: Uint8Array) => string | undefined) | undefined;
  /** Link-layer addresses that it may have beside those in `packet`. */
  readonly macs?: Uint8Array;
  /** enum reason, counted for this packet; undefined: none; "any": no matter. */
  readonly reason: number | undefined | "any";
  /** What is so afterwards. */
  readonly commit?: () => void;
  /** Afterwards the maps may be one way or another. */
  readonly uncertain?: boolean;
}

export function matches(outcome: Outcome, { verdict, packet }: Observed): boolean {
  if (outcome.verdict !== verdict) return false;
  if (outcome.packet === undefined) return true;
  if (typeof outcome.packet === "function") return outcome.packet(packet) === undefined;
  const { macs = outcome.packet } = outcome;
  const length = outcome.packet.length;
  if (packet.length !== length || !sameBytes(outcome.packet, packet, 12, length)) return false;
  return sameBytes(outcome.packet, packet, 0, 12) || sameBytes(macs, packet, 0, 12);
}

function sameBytes(one: Uint8Array, other: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (one[at] !== other[at]) return false;
  return true;
}

export const untouched = (frame: Uint8Array, reason: Outcome["reason"] = undefined): Outcome => ({
  name: "untouched",
  verdict: STACK,
  packet: frame,
  reason,
});

export const dropped = (reason: number, uncertain = false): Outcome => ({
  name: "dropped",
  verdict: DROP,
  packet: undefined,
  reason,
  uncertain,
});
