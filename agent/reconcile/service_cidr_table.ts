import type { MapError } from "../datapath/map_error.ts";
import type { ServiceCidrMap } from "../datapath/maps.ts";
import { keyOfServiceCidr, textOfServiceCidr } from "../datapath/service_cidr.ts";
import { writeBatches } from "./batch.ts";
import { type ServiceFailure, writeFailed } from "./failure.ts";
import type { Round } from "./round.ts";

/** Keeps the map `service_cidrs` in step with the ranges that ClusterIPs come from (KP-31). */
export class ServiceCidrTable {
  readonly #map: ServiceCidrMap;
  readonly #held: Set<string>;
  /** Undefined: what was found stands (PF-02). */
  #wanted: ReadonlySet<string> | undefined;
  #failures: readonly ServiceFailure[] = [];

  /** Takes over what stands in the map. */
  constructor(map: ServiceCidrMap) {
    this.#map = map;
    this.#held = new Set(Array.from(map.entries(), textOfServiceCidr));
  }

  get size(): number {
    return this.#held.size;
  }

  get capacity(): number {
    return this.#map.capacity;
  }

  holds(cidr: string): boolean {
    return this.#held.has(cidr);
  }

  /** Ranges that are thought to stand. */
  held(): ReadonlySet<string> {
    return this.#held;
  }

  /** As it was before, on what stands by now. */
  readopted(): ServiceCidrTable {
    const table = new ServiceCidrTable(this.#map);
    table.#wanted = this.#wanted;
    return table;
  }

  /** Ranges that the kernel does not hold as it should; `write` tries them again. */
  get failures(): readonly ServiceFailure[] {
    return this.#failures;
  }

  /** All ranges from now on, as `cidrText` spells them. */
  want(wanted: ReadonlySet<string>): void {
    this.#wanted = wanted;
  }

  /** Adds what is missing, then removes what is not wanted. */
  write(round: Round): void {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    const failures: ServiceFailure[] = [];
    const failed = (cidr: string, error: MapError) => {
      const failure = writeFailed(`ServiceCIDR ${cidr}`, error, this.#map.capacity);
      failures.push(failure);
      round.failed(failure);
    };
    this.#add(
      [...wanted].filter((cidr) => !this.#held.has(cidr)),
      round,
      failed,
    );
    this.#remove(
      [...this.#held].filter((cidr) => !wanted.has(cidr)),
      round,
      failed,
    );
    this.#failures = failures;
  }

  #add(cidrs: readonly string[], round: Round, failed: Failed): void {
    const add = (batch: readonly string[]) => this.#map.add(batch.map(keyOfServiceCidr));
    const added = (cidr: string) => {
      this.#held.add(cidr);
      round.written("serviceCidrs");
    };
    writeBatches(cidrs, add, added, failed);
  }

  #remove(cidrs: readonly string[], round: Round, failed: Failed): void {
    const remove = (batch: readonly string[]) => this.#map.delete(batch.map(keyOfServiceCidr));
    const removed = (cidr: string) => {
      this.#held.delete(cidr);
      round.written("serviceCidrs");
    };
    writeBatches(cidrs, remove, removed, failed);
  }
}

type Failed = (cidr: string, error: MapError) => void;
