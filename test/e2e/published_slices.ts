import { join } from "node:path";
import { BpfMap } from "libbpf-ts";
import { unpackSlice } from "../../agent/datapath/slice.ts";
import { addressText } from "../../agent/model/ip.ts";
import { BackendArray, ServiceArray } from "../../bpf/build/layout.ts";
import { monotonicNs } from "../harness/load.ts";

/** What the programs choose from, read at once. Times are nanoseconds of CLOCK_MONOTONIC. */
export interface Reading {
  /** ADDRESS:PORT */
  readonly endpoints: readonly string[];
  /** The slice was published before. */
  readonly at: number;
}

/** Reads the published endpoints of service ports out of the agent's maps, as the programs do. */
export class PublishedSlices implements Disposable {
  readonly #maps: readonly BpfMap[];
  readonly #services: ServiceArray;
  readonly #slots: Uint32Array;
  readonly #backends: BackendArray;

  constructor(pinPath: string) {
    const open = (name: string) => BpfMap.openPinned(join(pinPath, "maps", name));
    const [services, slots, backends] = [open("services"), open("slots"), open("backends")];
    this.#maps = [services, slots, backends];
    this.#services = new ServiceArray(services.mmap());
    this.#slots = new Uint32Array(slots.mmap());
    this.#backends = new BackendArray(backends.mmap());
  }

  /** The service's cluster slice; undefined where it changed while it was read. */
  read(service: number): Reading | undefined {
    const word = this.#services.cluster(service);
    const { offset, count } = unpackSlice(word);
    const indices = this.#slots.slice(offset, offset + count);
    const endpoints = Array.from(indices, (index) => this.#endpoint(index));
    const at = monotonicNs();
    return this.#services.cluster(service) === word ? { endpoints, at } : undefined;
  }

  #endpoint(index: number): string {
    return `${addressText(this.#backends.address(index), 0)}:${this.#backends.port(index)}`;
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps) map.close();
  }
}
