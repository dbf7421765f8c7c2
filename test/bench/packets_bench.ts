import { fieldsOf } from "../packets/packet/fields.ts";
import type { Hook, Result, Rig } from "../packets/rig/rig.ts";
import { ext0, type Family, type WorldDevice } from "../packets/world.ts";
import {
  families,
  type Protocol,
  protocols,
  reply,
  request,
  unrelated,
  type Way,
  ways,
} from "./packets_cases.ts";
import type { Replay, Replayed } from "./replay.ts";
import { type Spread, spreadOf } from "./statistics.ts";

const ROUNDS = 25;
const REPEAT = 20_000;
const NEW_FLOWS = 1_000;
const SINGLE_RUNS = 2_000;
const ESTABLISHED_BAR = 120;
const NEW_BAR = 700;
const UNSPEC = -1;

export interface PacketCost {
  readonly name: string;
  /** What the program adds to an empty one, with everything in the caches. */
  readonly inRow: Spread;
  /** Of single runs, as BPF_PROG_RUN tells it. */
  readonly single: Spread | undefined;
  readonly bar: number | undefined;
}

/** A packet that comes to a hook. */
interface Arrival {
  readonly hook: Hook;
  readonly device: WorldDevice;
  readonly packet: Uint8Array;
  readonly verdict: number;
}

const rounds = (measure: () => number, count = ROUNDS): Spread =>
  spreadOf(Array.from({ length: count }, measure));

/** Runs packets of every kind; within the rig's network namespace. */
export class PacketBench {
  readonly #rig: Rig;
  readonly #replay: Replay;

  constructor(rig: Rig, replay: Replay) {
    this.#rig = rig;
    this.#replay = replay;
  }

  /** Both directions of a flow of each kind. */
  *established(): Generator<PacketCost> {
    for (const { way, family, protocol, name } of kinds()) {
      this.#rig.forget();
      for (const [direction, arrival] of this.#open(way, family, protocol)) {
        yield this.#known(`${name}, ${direction}`, arrival, ESTABLISHED_BAR);
      }
    }
  }

  /** The first packets of flows, each from a source of its own. */
  *opening(): Generator<PacketCost> {
    for (const { way, family, protocol, name } of kinds()) {
      const first = firstPacket(way, family, protocol);
      yield {
        name: `new ${name}`,
        inRow: rounds(() => this.#openAll(first)),
        single: this.#singleNew(first),
        bar: NEW_BAR,
      };
    }
  }

  /** Where each new flow takes the place of an old one, in a table that holds so many. */
  *evicting(flows: number): Generator<PacketCost> {
    this.#rig.forget();
    const [way] = ways as [Way];
    const first = { ...this.#replayed(firstPacket(way, "v4", "tcp")), variation: next };
    const cost = (repeat: number) => this.#cost("from_outside", { ...first, repeat });
    cost(2 * flows);
    const name = "new TCP IPv4, in a full table";
    yield { name, inRow: rounds(() => cost(NEW_FLOWS)), single: undefined, bar: undefined };
  }

  /** What is none of ours. */
  *unrelated(): Generator<PacketCost> {
    for (const { name, ...arrival } of unrelated) {
      yield this.#known(name, { ...arrival, verdict: UNSPEC }, undefined);
    }
  }

  /** A random one of so many flows. */
  *cold(flows: number): Generator<PacketCost> {
    const [way] = ways as [Way];
    const first = this.#replayed(firstPacket(way, "v4", "tcp"));
    this.#cost("from_outside", { ...first, repeat: flows, variation: next });
    const packet = request(way, "v4", "tcp", "PA");
    const variation = { kind: "random", sources: flows } as const;
    const name = `TCP IPv4, any of ${flows} flows`;
    const inRow = rounds(() =>
      this.#cost("from_outside", { ...first, packet, repeat: REPEAT, variation }),
    );
    yield { name, inRow, single: undefined, bar: undefined };
  }

  #known(name: string, arrival: Arrival, bar: number | undefined): PacketCost {
    const replayed = { ...this.#replayed(arrival), repeat: REPEAT };
    return {
      name,
      inRow: rounds(() => this.#cost(arrival.hook, replayed)),
      single: rounds(() => this.#run(arrival).durationNs, SINGLE_RUNS),
      bar,
    };
  }

  /** The packets of an established flow. */
  #open(way: Way, family: Family, protocol: Protocol): readonly (readonly [string, Arrival])[] {
    const opened = fieldsOf(this.#run(firstPacket(way, family, protocol)).packet);
    const source = opened.get("ip.src") ?? "";
    const seen = { source, sourcePort: Number(opened.get("sport")) };
    const { verdict, device } = way;
    const ask = (flags: string): Arrival => {
      const packet = request(way, family, protocol, flags);
      return { hook: "from_outside", device: ext0, packet, verdict };
    };
    const answer = (flags: string): Arrival => {
      const packet = reply(way, seen, family, protocol, flags);
      return { hook: way.replyHook, device, packet, verdict };
    };
    for (const arrival of [answer("SA"), ask("A")]) this.#run(arrival);
    return [
      ["request", ask("PA")],
      ["reply", answer("PA")],
    ];
  }

  /** In a table that is empty, so that nothing has to be evicted. ns a flow. */
  #openAll(first: Arrival): number {
    this.#rig.forget();
    const repeat = NEW_FLOWS;
    const cost = this.#cost("from_outside", { ...this.#replayed(first), repeat, variation: next });
    const entries = this.#rig.object.map("flows").keys().toArray().length;
    if (entries !== 2 * repeat) throw new Error(`${entries} entries for ${repeat} flows`);
    return cost;
  }

  #singleNew(first: Arrival): Spread {
    this.#rig.forget();
    const packet = first.packet.slice();
    const view = new DataView(packet.buffer);
    const portAt = packet[12] === 0x86 ? 54 : 34;
    let port = 1024;
    return rounds(() => {
      view.setUint16(portAt, port++);
      return this.#run({ ...first, packet }).durationNs;
    }, NEW_FLOWS);
  }

  #run({ hook, device, packet, verdict }: Arrival): Result {
    const result = this.#rig.run(hook, device.index, packet);
    if (result.verdict !== verdict) throw new Error(`${hook} says ${result.verdict}`);
    return result;
  }

  #cost(hook: Hook, replayed: Replayed): number {
    return this.#replay.costNs(this.#rig.object.program(`sluice_${hook}`), replayed);
  }

  #replayed({ device, packet, verdict }: Arrival) {
    return { packet, context: contextOf(device), verdict, variation: same };
  }
}

const same = { kind: "none" } as const;
const next = { kind: "next" } as const;

const firstPacket = (way: Way, family: Family, protocol: Protocol): Arrival => {
  const packet = request(way, family, protocol, "S");
  return { hook: "from_outside", device: ext0, packet, verdict: way.verdict };
};

function* kinds() {
  for (const way of ways) {
    for (const family of families) {
      for (const protocol of protocols) {
        const name = `${protocol.toUpperCase()} IP${family}, ${way.name}`;
        yield { way, family, protocol, name };
      }
    }
  }
}

/** struct __sk_buff of a packet that is at a device. */
function contextOf({ index }: WorldDevice): Uint8Array {
  const context = new Uint8Array(192);
  const view = new DataView(context.buffer);
  view.setUint32(36, index, true);
  view.setUint32(40, index, true);
  return context;
}
