import { join } from "node:path";
import { type BpfProgram, type LoadedObject, openObject } from "libbpf-ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** Index of what the packets go on to. */
const NOTHING = 0;
const MEASURED = 1;
/** Of `replay.bpf.c`. */
const HEADERS = 80;
const REPLAY_BYTES = 104;

/** enum variation. */
const variations = { none: 0, next: 1, random: 2 } as const;

export interface Variation {
  /** next: each packet comes from a source of its own; random: from one of the last `sources` of them. */
  readonly kind: keyof typeof variations;
  readonly sources?: number;
}

export interface Replayed {
  readonly packet: Uint8Array;
  readonly context: Uint8Array;
  readonly repeat: number;
  readonly variation: Variation;
  /** What the program is to say of it. */
  readonly verdict: number;
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** Runs a program on the same packet again and again, in the network namespace of the caller. */
export class Replay implements Disposable {
  readonly #object: LoadedObject;
  #next = 0;

  constructor() {
    this.#object = openObject(join(import.meta.dirname, "build/replay.bpf.o")).load();
    this.#aim(NOTHING, this.#object.program("nothing"));
  }

  /** ns that an empty program takes, as BPF_PROG_RUN tells it of single runs. */
  emptyNs(): Spread {
    const program = this.#object.program("nothing");
    const data = new Uint8Array(128);
    return spreadOf(Array.from({ length: 2_000 }, () => program.testRun({ data }).durationNs));
  }

  /** ns that the program adds to one that does nothing. Sources go on where the last call left. */
  costNs(program: BpfProgram, replayed: Replayed): number {
    this.#aim(MEASURED, program);
    const nothing = this.#run(NOTHING, replayed);
    const measured = this.#run(MEASURED, replayed);
    if (measured.verdict !== replayed.verdict) {
      throw new Error(`${program.name} says ${measured.verdict}, not ${replayed.verdict}`);
    }
    if (replayed.variation.kind === "next") this.#next += replayed.repeat;
    return measured.durationNs - nothing.durationNs;
  }

  #aim(at: number, program: BpfProgram): void {
    this.#object.map("targets").update(u32(at), u32(program.handle.fd));
  }

  #run(target: number, { packet, context, repeat, variation }: Replayed) {
    const value = new Uint8Array(REPLAY_BYTES);
    const view = new DataView(value.buffer);
    value.set(packet.subarray(0, HEADERS));
    const isIp6 = packet[12] === 0x86;
    const words = [target, variations[variation.kind], variation.sources ?? 0, this.#next];
    for (const [i, word] of [...words, Number(isIp6)].entries()) {
      view.setUint32(HEADERS + 4 * i, word, true);
    }
    this.#object.map("replays").update(u32(0), value);
    const run = this.#object.program("replay").testRun({ data: packet, context, repeat });
    return { durationNs: run.durationNs, verdict: run.returnValue | 0 };
  }

  [Symbol.dispose](): void {
    this.#object.close();
  }
}
