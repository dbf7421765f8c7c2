import type { BpfMap } from "libbpf-ts";
import {
  type Flow,
  FlowFlag,
  type FlowKey,
  flowCodec,
  flowKeyCodec,
} from "../../bpf/build/layout.ts";

const ENTRIES_PER_READ = 4096;

/** The entry of the direction from client to backend. */
export interface FlowRequest {
  readonly key: FlowKey;
  readonly flow: Flow;
}

export interface FlowScan {
  /** Those seen last, the latest first. */
  readonly requests: readonly FlowRequest[];
  /** How many there are, shown or not. */
  readonly matched: number;
}

/**
 * Reads the whole table in batches and keeps `limit` flows, and as many again while it reads. Never
 * marks an entry as used: system calls do not.
 */
export function scanFlows(
  flows: BpfMap,
  matches: (request: FlowRequest) => boolean,
  limit: number,
): FlowScan {
  let matched = 0;
  let kept: FlowRequest[] = [];
  for (const request of requestsOf(flows)) {
    if (!matches(request)) continue;
    matched++;
    kept.push(request);
    if (kept.length >= 2 * limit) kept = latest(kept, limit);
  }
  return { requests: latest(kept, limit), matched };
}

function* requestsOf(flows: BpfMap): Generator<FlowRequest, void, undefined> {
  for (const { keys, values, count } of flows.lookupBatch(ENTRIES_PER_READ)) {
    for (let i = 0; i < count; i++) {
      const flow = flowCodec.decode(values, i * flowCodec.size);
      if ((flow.flags & FlowFlag.REPLY) !== 0) continue;
      yield { key: flowKeyCodec.decode(keys, i * flowKeyCodec.size), flow };
    }
  }
}

const latest = (requests: readonly FlowRequest[], limit: number): FlowRequest[] =>
  requests.toSorted((a, b) => b.flow.lastSeen - a.flow.lastSeen).slice(0, limit);
