import type { Frontend } from "../../bpf/build/layout.ts";
import type { MapError } from "../datapath/map_error.ts";
import type { ServiceMaps } from "../datapath/maps.ts";
import { noPorts, widened } from "../datapath/node_ports.ts";
import type { Adopted } from "./adopt.ts";
import { writeBatches } from "./batch.ts";
import { conflict, type ServiceFailure, writeFailed } from "./failure.ts";
import { type Claimant, planFrontends } from "./frontend_plan.ts";
import { keyOfText } from "./frontend_text.ts";
import { isNodePort } from "./frontend_value.ts";
import type { Retirement } from "./retirement.ts";
import { type Limits, SourceRangeWriter } from "./source_range_writer.ts";

/** Told what became of entries, by the `portKey` of the Service port that they belong to. */
export interface FrontendReport {
  written(map: "frontends" | "sourceRanges", key?: string): void;
  failed(failure: ServiceFailure): void;
  /** Something goes only after the next grace period. */
  waits(): void;
}

/** Writes the map `frontends` and what its entries rely on, and keeps account of it. */
export class FrontendWriter {
  readonly #maps: Pick<ServiceMaps, "frontends" | "nodePorts">;
  readonly #adopted: Pick<Adopted, "held" | "table" | "guards">;
  readonly #ranges: SourceRangeWriter;

  constructor(maps: ServiceMaps, adopted: Adopted, retirement: Retirement) {
    this.#maps = maps;
    this.#adopted = adopted;
    this.#ranges = new SourceRangeWriter(adopted, retirement);
  }

  /**
   * Gives the claimants their frontends and takes them from the removed services. A frontend that
   * moves is overwritten in place, so it is never missing; where that write fails it stays where
   * it was.
   */
  write(
    claimants: readonly (Claimant & Limits)[],
    removed: ReadonlySet<number>,
    report: FrontendReport,
  ): void {
    const incomplete = this.#ranges.admit(claimants, report);
    const { held, table, guards } = this.#adopted;
    const plan = planFrontends(claimants, removed, incomplete, held, table);
    for (const { claimant, frontend, holder } of plan.conflicts) {
      report.failed(conflict(claimant.key, frontend, holder));
    }
    this.#widenNodePorts(plan.updates);
    this.#update(plan.updates, report);
    this.#delete(plan.deletes, report);
    guards.settle({
      written: () => report.written("frontends"),
      failed: (key, error) => report.failed(this.#failure(key, error)),
    });
    this.#ranges.expel(claimants, report);
  }

  /** No frontend leads to the service any more; true: nothing else is left of it here either. */
  forget(service: number, report: FrontendReport): boolean {
    return this.#ranges.forget(service, report);
  }

  /** A grace period has ended since these services had their last frontend with source ranges. */
  unread(services: readonly number[]): void {
    this.#ranges.unread(services);
  }

  /** Everything that exists has been applied: the rest goes with the next change (PF-02). */
  sweep(): void {
    this.#adopted.guards.sweep();
    this.#ranges.sweep();
  }

  /** Bounds that hold the NodePorts of the map and no others. */
  fitNodePorts(): void {
    const { held } = this.#adopted;
    let bounds = noPorts;
    for (const text of held.texts()) {
      const value = held.value(text);
      if (value !== undefined && isNodePort(value)) bounds = widened(bounds, keyOfText(text).port);
    }
    this.#maps.nodePorts.setBounds(bounds);
  }

  #widenNodePorts(updates: readonly (readonly [string, Frontend])[]): void {
    const { nodePorts } = this.#maps;
    for (const [text, value] of updates) {
      if (!isNodePort(value)) continue;
      nodePorts.setBounds(widened(nodePorts.bounds(), keyOfText(text).port));
    }
  }

  #update(updates: readonly (readonly [string, Frontend])[], report: FrontendReport): void {
    const { held, guards } = this.#adopted;
    writeBatches(
      updates,
      (batch) => this.#maps.frontends.update(batch.map(([text, to]) => [keyOfText(text), to])),
      ([text, value]) => {
        if (held.owner(text) === undefined) guards.gained(text);
        held.set(text, value);
        report.written("frontends", this.#key(value.service));
      },
      ([, { service }], error) => report.failed(this.#failure(this.#key(service), error)),
    );
  }

  #delete(texts: readonly string[], report: FrontendReport): void {
    const { held, guards } = this.#adopted;
    const keyOf = (text: string) => this.#key(held.owner(text) ?? -1);
    writeBatches(
      texts,
      (batch) => this.#maps.frontends.delete(batch.map(keyOfText)),
      (text) => {
        report.written("frontends", keyOf(text));
        guards.lost(text);
        held.delete(text);
      },
      (text, error) => report.failed(this.#failure(keyOf(text), error)),
    );
  }

  #failure(key: string, error: MapError): ServiceFailure {
    return writeFailed(key, error, this.#maps.frontends.capacity);
  }

  #key(service: number): string {
    return this.#adopted.table.key(service) ?? `#${service}`;
  }
}
