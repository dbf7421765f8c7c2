import type { Kit } from "../cases/kit.ts";
import { parse, type Tuple } from "../model/headers.ts";
import { DROP, type Observed } from "../model/outcome.ts";
import { ipText } from "../packet/address.ts";
import { encode, fragmentsOf } from "../packet/encode.ts";
import {
  CHUNK,
  type Chunk,
  type Extension,
  type PacketSpec,
  type Transport,
} from "../packet/packet.ts";
import type { Hook } from "../rig/rig.ts";
import { ext0, routerMac, type WorldDevice } from "../world.ts";
import type { Random } from "./random.ts";
import { addressesOf, clients, type Entrance, entranceOf, type Target, targets } from "./world.ts";

/** A packet on its way to a program. */
export interface Sending {
  readonly hook: Hook;
  readonly device: WorldDevice;
  readonly frame: Uint8Array;
  readonly gsoSize: number;
}

/** A packet that was translated: who gets it may answer, or complain. */
interface Translated {
  readonly tuple: Tuple;
  readonly packet: Uint8Array;
}

const flagSets = ["S", "A", "PA", "FA", "R", "RA", "SA", "F", "SF", "SEC"] as const;

const chunks = Object.keys(CHUNK) as readonly Chunk[];

const extensionSets: readonly (readonly Extension[])[] = [
  [{ kind: "hop-by-hop" }],
  [{ kind: "destination-options", words: 2 }],
  [{ kind: "routing", segmentsLeft: 0 }, { kind: "destination-options" }],
  [{ kind: "routing", segmentsLeft: 1 }],
  [{ kind: "authentication" }],
  [{ kind: "hop-by-hop", words: 1 }, { kind: "authentication" }, { kind: "destination-options" }],
];

/** A client, a service, and packets of every kind between them: what sound hosts send. */
export class Conversation {
  readonly #random: Random;
  readonly #kit: Kit;
  readonly #client: string;
  readonly #clientPort: number;
  readonly #targets: readonly [Target, Target];
  #request: Translated | undefined;
  #reply: Translated | undefined;
  #pending: Sending[] = [];
  #sent = 0;

  constructor(random: Random, kit: Kit) {
    this.#random = random;
    this.#kit = kit;
    this.#client = random.pick(clients)[kit.family];
    this.#clientPort = random.once(20) ? 40000 + random.below(10) : 1024 + random.below(60000);
    this.#targets = [random.pick(targets), random.pick(targets)];
  }

  next(): Sending {
    const waiting = this.#pending.shift();
    if (waiting !== undefined) return waiting;
    const made = this.#make(this.#sent++);
    const [first, ...rest] = made;
    if (first === undefined) throw new Error("nothing to send");
    this.#pending = rest;
    return first;
  }

  /** What a program made of it: later packets build on that. */
  note({ hook, frame, gsoSize }: Sending, { verdict, packet }: Observed): void {
    const parsed = parse(packet);
    if (parsed.kind !== "segment" || verdict === DROP) return;
    const same = Buffer.compare(packet, frame) === 0;
    if (same && hook === "from_pod") {
      // Up the stack it goes, and out at the client's side.
      const leaving = packet.slice();
      this.#pending.push({
        hook: "to_outside",
        device: this.#clientDevice(),
        frame: leaving,
        gsoSize,
      });
    }
    if (same) return;
    const isRequest = ipText(parsed.tuple.destination) !== this.#client;
    const translated = { tuple: parsed.tuple, packet };
    if (isRequest) this.#request = translated;
    else this.#reply = translated;
  }

  #clientDevice(): WorldDevice {
    return entranceOf(this.#client)?.device ?? ext0;
  }

  #make(number: number): readonly Sending[] {
    const random = this.#random;
    // Two Services may lead one port of the client's to one backend.
    const { place, port } = this.#targets[random.once(6) ? 1 : 0];
    const vip = place[this.#kit.family];
    if (number === 0) return [this.#ask(vip, this.#transport("S", this.#clientPort, port))];
    const kind = random.below(10);
    if (kind < 4 || this.#request === undefined) {
      const transport = this.#transport(random.pick(flagSets), this.#clientPort, port);
      return this.#cut(this.#askSpec(vip, transport));
    }
    if (kind < 8) return this.#answer(this.#request);
    return this.#complain(random.once(2) ? this.#request : (this.#reply ?? this.#request));
  }

  #ask(vip: string, transport: Transport): Sending {
    return this.#coming(this.#entrance(), this.#askSpec(vip, transport));
  }

  #entrance(): Entrance {
    return entranceOf(this.#client) ?? { device: ext0, neighbour: routerMac, hook: "from_outside" };
  }

  #askSpec(vip: string, transport: Transport): PacketSpec {
    return this.#spec(this.#entrance(), this.#client, vip, transport);
  }

  #spec(
    { device, neighbour }: Entrance,
    source: string,
    destination: string,
    transport: Transport,
  ): PacketSpec {
    const random = this.#random;
    const isIp4 = this.#kit.family === "v4";
    return {
      ethernet: { source: neighbour, destination: device.mac },
      source,
      destination,
      transport,
      ttl: random.once(30) ? random.below(4) : 64,
      dontFragment: random.once(3),
      ...(isIp4 && random.once(20) ? { options: [1, 1, 1, 0] } : {}),
      ...(!isIp4 && random.once(10) ? { extensions: random.pick(extensionSets) } : {}),
      ...(random.once(20) ? { padding: random.below(20) } : {}),
      id: random.below(65536),
    };
  }

  #transport(flags: string, sourcePort: number, destinationPort: number): Transport {
    const random = this.#random;
    const length = random.once(12) ? 1200 + random.below(400) : random.below(64);
    const payload = new Uint8Array(length).fill(random.below(256));
    const none = random.once(10) ? { checksum: 0 } : {};
    if (this.#kit.protocol === "sctp") {
      const chunk = flags === "S" ? "init" : random.pick(chunks);
      return { kind: "sctp", sourcePort, destinationPort, chunk, payload, ...none };
    }
    if (this.#kit.protocol === "udp") {
      return { kind: "udp", sourcePort, destinationPort, payload, ...none };
    }
    const options = random.once(4) ? [2, 4, 5, 180] : [];
    return {
      kind: "tcp",
      sourcePort,
      destinationPort,
      flags,
      payload,
      options,
      seq: random.below(2 ** 31),
    };
  }

  #coming({ hook, device }: Entrance, spec: PacketSpec): Sending {
    const isWhole = spec.transport.kind === "tcp" && spec.fragment === undefined;
    const gsoSize = isWhole && this.#random.once(16) ? 1000 : 0;
    return { hook, device, frame: encode(spec), gsoSize };
  }

  /** Whole or in fragments, these in any order. */
  #cut(spec: PacketSpec, entrance = this.#entrance()): readonly Sending[] {
    const random = this.#random;
    if (!random.once(8)) return [this.#coming(entrance, spec)];
    const [first, second] = fragmentsOf(spec, 24, random.below(65536)).map((each) =>
      this.#coming(entrance, each),
    ) as [Sending, Sending];
    return random.once(2) ? [first, second] : [second, first];
  }

  #answer({ tuple }: Translated): readonly Sending[] {
    const { sourcePort, destinationPort } = tuple;
    const [source, destination] = [ipText(tuple.destination), ipText(tuple.source)];
    const transport = this.#transport(this.#random.pick(flagSets), destinationPort, sourcePort);
    const entrance = entranceOf(source);
    if (entrance !== undefined) {
      return this.#cut(this.#spec(entrance, source, destination, transport), entrance);
    }
    const device = this.#clientDevice();
    const spec = this.#spec(
      { device, neighbour: routerMac, hook: "from_outside" },
      source,
      destination,
      transport,
    );
    return [{ hook: "to_outside", device, frame: encode(spec), gsoSize: 0 }];
  }

  /** An ICMP error about a packet, from who got it or from a router on the way. */
  #complain({ tuple, packet }: Translated): readonly Sending[] {
    const random = this.#random;
    const isIp4 = this.#kit.family === "v4";
    const receiver = ipText(tuple.destination);
    const entrance = entranceOf(receiver) ?? this.#entrance();
    const quoted = packet.slice(14, 14 + (isIp4 ? 28 : 48) + random.below(60));
    const transport: Transport = {
      kind: "icmp",
      type: random.pick(isIp4 ? [3, 3, 11, 12, 5, 8] : [1, 2, 3, 4, 128, 137]),
      code: random.below(5),
      rest: random.once(2) ? 1280 : 0,
      payload: quoted,
    };
    const source = random.once(2) ? receiver : random.pick(addressesOf(this.#kit.family));
    const spec = this.#spec(entrance, source, ipText(tuple.source), transport);
    const coming = this.#coming(entrance, spec);
    const leaving = { ...coming, hook: "to_outside", device: this.#clientDevice() } as const;
    return entrance.hook === "from_pod" ? [coming, leaving] : [coming];
  }
}
