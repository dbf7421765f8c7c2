import type { BpfMap } from "libbpf-ts";
import { addressBytes } from "../../agent/model/ip.ts";
import {
  type Flow,
  FlowFlag,
  type FlowKey,
  flowCodec,
  flowKeyCodec,
} from "../../bpf/build/layout.ts";

export interface FlowSpec {
  readonly protocol: 6 | 17 | 132;
  readonly client: readonly [address: string, port: number];
  readonly frontend: readonly [address: string, port: number];
  readonly backend: readonly [address: string, port: number];
  /** What the client's address becomes; itself where left out. */
  readonly masquerade?: readonly [address: string, port: number];
  /** enum flow_tcp of the two directions. */
  readonly request?: number;
  readonly reply?: number;
  /** Ticks since the last packet of the two directions. */
  readonly requestIdle?: number;
  readonly replyIdle?: number;
  readonly service?: number;
  readonly backendIndex?: number;
  /** enum flow_flag, beside what the directions and the masquerading say. */
  readonly flags?: number;
  readonly device?: number;
  readonly replyDevice?: number;
  readonly to?: Uint8Array;
}

type Entry = readonly [FlowKey, Flow];

/** The clock of the programs: 2^30 ns of CLOCK_MONOTONIC. */
export const ticksNow = (): number => Number(process.hrtime.bigint() >> 30n);

const noMac = new Uint8Array(6);

/** As the maps hold it. */
export function addressOf(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  if (addressBytes(text, bytes, 0) === undefined) throw new Error(`${text} is no address`);
  return bytes;
}

/** Both entries of a flow, as the per-packet programs make them. */
export function entriesOf(spec: FlowSpec): readonly [request: Entry, reply: Entry] {
  const { protocol, client, frontend, backend, masquerade, flags = 0, to = noMac } = spec;
  const source = masquerade ?? client;
  const common = {
    service: spec.service ?? 0,
    backend: spec.backendIndex ?? 0,
    generation: 1,
    addressSum: 0,
    portSum: 0,
    from: noMac,
    slice: 1,
    mtu: 0,
    slots: 0,
  };
  const masked = flags | (masquerade === undefined ? 0 : FlowFlag.MASQUERADE);
  return [
    [
      {
        source: addressOf(client[0]),
        destination: addressOf(frontend[0]),
        sourcePort: client[1],
        destinationPort: frontend[1],
        protocol,
      },
      {
        ...common,
        source: addressOf(source[0]),
        destination: addressOf(backend[0]),
        sourcePort: source[1],
        destinationPort: backend[1],
        lastSeen: ticksNow() - (spec.requestIdle ?? 0),
        device: spec.device ?? 0,
        to,
        flags: masked,
        tcp: spec.request ?? 0,
      },
    ],
    [
      {
        source: addressOf(backend[0]),
        destination: addressOf(source[0]),
        sourcePort: backend[1],
        destinationPort: source[1],
        protocol,
      },
      {
        ...common,
        source: addressOf(frontend[0]),
        destination: addressOf(client[0]),
        sourcePort: frontend[1],
        destinationPort: client[1],
        lastSeen: ticksNow() - (spec.replyIdle ?? spec.requestIdle ?? 0),
        device: spec.replyDevice ?? 0,
        to: noMac,
        flags: masked | FlowFlag.REPLY,
        tcp: spec.reply ?? 0,
      },
    ],
  ];
}

/** The entries of a table of flows, driven by hand. */
export class FlowEntries {
  readonly map: BpfMap;

  constructor(map: BpfMap) {
    this.map = map;
  }

  put(...specs: readonly FlowSpec[]): void {
    this.putEntries(specs.flatMap((spec) => [...entriesOf(spec)]));
  }

  putEntries(entries: readonly Entry[]): void {
    const keys = new Uint8Array(entries.length * flowKeyCodec.size);
    const values = new Uint8Array(entries.length * flowCodec.size);
    for (const [n, [key, flow]] of entries.entries()) {
      flowKeyCodec.encode(key, keys, n * flowKeyCodec.size);
      flowCodec.encode(flow, values, n * flowCodec.size);
    }
    this.map.updateBatch(keys, values, entries.length);
  }

  /** Which entries of a flow stand. */
  standing(spec: FlowSpec): "both" | "request" | "reply" | "none" {
    const [request, reply] = entriesOf(spec).map(([key]) => {
      const bytes = new Uint8Array(flowKeyCodec.size);
      flowKeyCodec.encode(key, bytes);
      return this.map.lookup(bytes) !== undefined;
    });
    if (request && reply) return "both";
    if (request) return "request";
    return reply ? "reply" : "none";
  }

  get size(): number {
    let size = 0;
    for (const { count } of this.map.lookupBatch(4096)) size += count;
    return size;
  }
}
