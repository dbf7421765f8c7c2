import type { DesiredService } from "../compile/records.ts";
import type { ServiceFailure } from "./failure.ts";
import type { WantedFrontend } from "./frontend_value.ts";
import type { Placement } from "./service_writer.ts";
import { noWrites, type Writes } from "./writes.ts";

export interface ApplyResult {
  /** Service ports of which at least one entry was written or removed. */
  readonly published: number;
  /** Service ports that the kernel does not hold as asked; the others are unaffected. */
  readonly failures: readonly ServiceFailure[];
  /** What waits for the next grace period (`reclaimed`): Service ports, for space that is free then. */
  readonly waiting: number;
  /** A UDP backend left a slice: sockets may be connected to one that is dead (PF-20). */
  readonly retiredUdp: boolean;
  readonly writes: Writes;
}

/** A Service port of a round that stands at its index, though no frontend may lead there yet. */
export interface Placed {
  readonly key: string;
  readonly desired: DesiredService;
  readonly service: number;
  readonly frontends: readonly WantedFrontend[];
  readonly sourceRanges: readonly string[] | undefined;
}

/** What one call of `apply` adds up to. */
export class Round {
  readonly #changed = new Set<string>();
  readonly #failures: ServiceFailure[] = [];
  readonly #writes = { ...noWrites };
  #waiting = 0;
  #retiredUdp = false;

  placed(key: string, placement: Placement, isUdp: boolean): void {
    const { services, slots, backends, narrowed } = placement;
    this.#writes.services += services;
    this.#writes.slots += slots;
    this.#writes.backends += backends;
    if (services + backends > 0) this.#changed.add(key);
    if (narrowed && isUdp) this.#retiredUdp = true;
  }

  /** Without a key, what was written belongs to no single Service port. */
  written(map: "frontends" | "names" | "sourceRanges" | "serviceCidrs", key?: string): void {
    this.#writes[map]++;
    if (key !== undefined) this.#changed.add(key);
  }

  failed(failure: ServiceFailure): void {
    this.#failures.push(failure);
  }

  waits(): void {
    this.#waiting++;
  }

  result(): ApplyResult {
    return {
      published: this.#changed.size,
      failures: this.#failures,
      waiting: this.#waiting,
      retiredUdp: this.#retiredUdp,
      writes: { ...this.#writes },
    };
  }
}
