import type { MapError } from "../datapath/map_error.ts";
import type { FrontendMap } from "../datapath/maps.ts";
import { writeBatches } from "./batch.ts";
import { conflict, type ServiceFailure, writeFailed } from "./failure.ts";
import { type Claimant, planFrontends } from "./frontend_plan.ts";
import { keyOfText } from "./frontend_text.ts";
import type { HeldFrontends } from "./held_frontends.ts";
import type { ServiceTable } from "./service_table.ts";

/** Told what became of the frontends, by the `portKey` of the Service port concerned. */
export interface FrontendReport {
  written(key: string): void;
  failed(failure: ServiceFailure): void;
}

/** Writes the map `frontends`, and keeps account of what it holds. */
export class FrontendWriter {
  readonly #map: FrontendMap;
  readonly #held: HeldFrontends;
  readonly #table: ServiceTable;

  constructor(map: FrontendMap, held: HeldFrontends, table: ServiceTable) {
    this.#map = map;
    this.#held = held;
    this.#table = table;
  }

  /**
   * Gives the claimants their frontends and takes them from the removed services. A frontend that
   * moves is overwritten in place, so it is never missing; where that write fails it stays where
   * it was.
   */
  write(
    claimants: readonly Claimant[],
    removed: ReadonlySet<number>,
    report: FrontendReport,
  ): void {
    const plan = planFrontends(claimants, removed, this.#held, this.#table);
    for (const { claimant, frontend, holder } of plan.conflicts) {
      report.failed(conflict(claimant.key, frontend, holder));
    }
    this.#update(plan.updates, report);
    this.#delete(plan.deletes, report);
  }

  #update(updates: readonly (readonly [string, number])[], report: FrontendReport): void {
    writeBatches(
      updates,
      (batch) => this.#map.update(batch.map(([text, service]) => entryOf(text, service))),
      ([text, service]) => {
        this.#held.set(text, service);
        report.written(this.#key(service));
      },
      ([, service], error) => report.failed(this.#failure(service, error)),
    );
  }

  #delete(texts: readonly string[], report: FrontendReport): void {
    writeBatches(
      texts,
      (batch) => this.#map.delete(batch.map(keyOfText)),
      (text) => {
        report.written(this.#key(this.#held.owner(text) ?? -1));
        this.#held.delete(text);
      },
      (text, error) => report.failed(this.#failure(this.#held.owner(text) ?? -1, error)),
    );
  }

  #failure(service: number, error: MapError): ServiceFailure {
    return writeFailed(this.#key(service), error, this.#map.capacity);
  }

  #key(service: number): string {
    return this.#table.key(service) ?? `#${service}`;
  }
}

const entryOf = (text: string, service: number) =>
  [keyOfText(text), { service, kind: 0, flags: 0 }] as const;
