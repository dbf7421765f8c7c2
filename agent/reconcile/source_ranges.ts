import type { MapError } from "../datapath/map_error.ts";
import type { SourceRangeMap } from "../datapath/maps.ts";
import { keyOfRange, textOfRange } from "../datapath/source_range.ts";
import { writeBatches } from "./batch.ts";

/** Told what became of a service's ranges. */
export interface RangeReport {
  written(service: number): void;
  failed(service: number, error: MapError): void;
}

const NONE: ReadonlySet<string> = new Set();

/** What the map `source_ranges` holds: the clients that limited frontends of a service are open to. */
export class SourceRanges {
  readonly #map: SourceRangeMap;
  readonly #held = new Map<number, Set<string>>();
  #size = 0;

  /** Takes over what stands in the map. */
  constructor(map: SourceRangeMap) {
    this.#map = map;
    for (const key of map.entries()) this.#added(key.service, textOfRange(key));
  }

  get size(): number {
    return this.#size;
  }

  get capacity(): number {
    return this.#map.capacity;
  }

  services(): readonly number[] {
    return [...this.#held.keys()];
  }

  has(service: number): boolean {
    return this.#held.has(service);
  }

  holds(service: number, cidr: string): boolean {
    return this.#held.get(service)?.has(cidr) === true;
  }

  /** Of one service. */
  of(service: number): ReadonlySet<string> {
    return this.#held.get(service) ?? NONE;
  }

  /** Adds what is missing; true: all of it stands. */
  add(service: number, wanted: readonly string[], report: RangeReport): boolean {
    const held = this.#held.get(service) ?? NONE;
    const missing = wanted.filter((cidr) => !held.has(cidr));
    let left = missing.length;
    writeBatches(
      missing,
      (batch) => this.#map.add(batch.map((cidr) => keyOfRange(service, cidr))),
      (cidr) => {
        left--;
        this.#added(service, cidr);
        report.written(service);
      },
      (_, error) => report.failed(service, error),
    );
    return left === 0;
  }

  /** Removes all but these; true: none of the others stands. */
  keep(service: number, wanted: readonly string[], report: RangeReport): boolean {
    const surplus = [...(this.#held.get(service) ?? NONE)].filter((cidr) => !wanted.includes(cidr));
    let left = surplus.length;
    writeBatches(
      surplus,
      (batch) => this.#map.delete(batch.map((cidr) => keyOfRange(service, cidr))),
      (cidr) => {
        left--;
        this.#removed(service, cidr);
        report.written(service);
      },
      (_, error) => report.failed(service, error),
    );
    return left === 0;
  }

  #added(service: number, cidr: string): void {
    const held = this.#held.get(service);
    if (held === undefined) this.#held.set(service, new Set([cidr]));
    else held.add(cidr);
    this.#size++;
  }

  #removed(service: number, cidr: string): void {
    const held = this.#held.get(service);
    if (held?.delete(cidr)) this.#size--;
    if (held?.size === 0) this.#held.delete(service);
  }
}
