import { addon, type NativePoll, type NativeRingBuffer } from "./addon.ts";
import { ArgumentError, BpfError, check } from "./errors.ts";
import { BpfMap } from "./map.ts";

/** The records of a BPF_MAP_TYPE_RINGBUF map (kernel 5.8), delivered on the event loop. */
export class RingBuffer {
  readonly #native: NativeRingBuffer;
  readonly #poll: NativePoll;
  readonly #name: string;
  readonly #onRecord: (record: Uint8Array) => void;
  #closed = false;

  /** See `openRingBuffer`. */
  constructor(map: BpfMap, onRecord: (record: Uint8Array) => void) {
    this.#name = map.info.name;
    this.#onRecord = onRecord;
    this.#native = new addon.RingBuffer(map.handle);
    const fd = check("ringBuffer.open", this.#name, this.#native.fd);
    this.#poll = new addon.Poll(fd, () => this.#deliver());
  }

  /** Delivers now what waits, without a turn of the event loop; gives the number of records. */
  consume(): number {
    let delivered = 0;
    for (;;) {
      const batch = this.#deliver();
      if (batch === 0) return delivered;
      delivered += batch;
    }
  }

  /** Whether the ring buffer keeps the process alive; it does at first. */
  ref(): void {
    this.#poll.ref();
  }

  unref(): void {
    this.#poll.unref();
  }

  /** Idempotent; also from within the callback. Records that wait stay in the map. */
  close(): void {
    this.#closed = true;
    this.#poll.close();
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #deliver(): number {
    const records = this.#native.take();
    if (typeof records === "number") {
      throw new BpfError({
        operation: "ringBuffer.consume",
        target: this.#name,
        errno: -records,
      });
    }
    const failures: unknown[] = [];
    for (const record of records) {
      if (this.#closed) break;
      try {
        this.#onRecord(record);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw thrown(failures);
    return records.length;
  }
}

/**
 * Calls back for each record, with bytes of its own, in the order of submission. What the callback
 * throws becomes an uncaught exception after the records that came with it.
 */
export function openRingBuffer(map: BpfMap, onRecord: (record: Uint8Array) => void): RingBuffer {
  if (!(map instanceof BpfMap)) throw new ArgumentError("that is no BpfMap");
  if (typeof onRecord !== "function") throw new ArgumentError("a ring buffer takes a function");
  return new RingBuffer(map, onRecord);
}

function thrown(failures: readonly unknown[]): Error {
  const [first] = failures;
  if (failures.length === 1 && first instanceof Error) return first;
  return new AggregateError(failures, "the callback of a ring buffer threw");
}
