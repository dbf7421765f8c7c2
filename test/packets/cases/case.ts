import type { Reason } from "../../../bpf/build/layout.ts";
import type { Configuration } from "../model/configuration.ts";
import type { Tuple } from "../model/headers.ts";
import type { PacketSpec } from "../packet/packet.ts";
import type { Hook, RigOptions } from "../rig/rig.ts";
import type { WorldDevice } from "../world.ts";

/** A configuration, and a conversation with what must become of each packet. */
export interface PacketCase {
  /** A sentence of behaviour with its KP and PF rows. */
  readonly name: string;
  readonly given: Configuration;
  readonly steps: readonly StepSource[];
  /** Of a rig of its own. */
  readonly rig?: RigOptions;
}

/** Addresses and ports of the case's first translated packet: what the program was free in. */
export interface Seen {
  readonly first: Tuple;
}

export type StepSource = Step | ((seen: Seen) => Step);

export type Step = PacketStep | Change;

export type Change =
  | { readonly configure: Configuration }
  /** One direction of the first connection is evicted, and the other is a tick old. */
  | { readonly evict: "request" | "reply" }
  /** Every flow, or every session affinity, has lain idle for so long. */
  | { readonly idle: "flows" | "affinities"; readonly seconds: number }
  | { readonly forget: true };

export interface PacketStep {
  readonly at: Hook;
  readonly on: WorldDevice;
  readonly packet: PacketSpec | Uint8Array;
  readonly verdict: "stack" | "drop" | "redirect";
  /** What comes out, to the byte; absent of what is dropped. "same": as it came. */
  readonly expect?: Expected | "same" | ((seen: Seen) => Expected);
  /** Fields of an answer, by the names that `fieldsOf` gives them. */
  readonly answer?: Readonly<Record<string, string | number>>;
  /** What is counted; absent: nothing. */
  readonly reason?: ReasonName | readonly ReasonName[];
  readonly gsoSize?: number;
}

export type ReasonName = Exclude<keyof typeof Reason, "REASONS">;

export type Expected = PacketSpec | Uint8Array;
