import { type BpfLink, streamIterator } from "libbpf-ts";
import { Sweep } from "../../bpf/build/layout.ts";
import { type FlowStateName, flowStates } from "./flow_state.ts";

/** The iterator says a byte for each entry: the kernel walks so many without a pause. */
const ENTRIES_PER_READ = 4096;

/** What one walk over `flows` found. */
export interface FlowSweep {
  /** Entries that stay, by direction; an evicted one is missing until its flow's next packet. */
  readonly requests: number;
  readonly replies: number;
  /** Flows that were idle for longer than their state is kept, and are gone. */
  readonly expired: Readonly<Record<FlowStateName, number>>;
}

export const noneExpired: FlowSweep["expired"] = {
  opening: 0,
  established: 0,
  closing: 0,
  closed: 0,
  unreplied: 0,
  stream: 0,
};

/**
 * Ends the flows that have been idle for too long. The program does it in the kernel, in a thread
 * of the pool (PF-10).
 */
export async function sweepFlows(iterator: BpfLink): Promise<FlowSweep> {
  const counts = new Uint32Array(Sweep.EXPIRED + flowStates.length);
  for await (const chunk of streamIterator(iterator, ENTRIES_PER_READ)) {
    for (const told of chunk) counts[told] = (counts[told] ?? 0) + 1;
  }
  const expired = { ...noneExpired };
  for (const [n, state] of flowStates.entries()) expired[state] = counts[Sweep.EXPIRED + n] ?? 0;
  return {
    requests: counts[Sweep.KEPT_REQUEST] ?? 0,
    replies: counts[Sweep.KEPT_REPLY] ?? 0,
    expired,
  };
}
