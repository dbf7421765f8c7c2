import type { MapError } from "../datapath/map_error.ts";
import type { Adopted } from "./adopt.ts";
import { writeFailed } from "./failure.ts";
import { isLimited } from "./frontend_value.ts";
import type { FrontendReport } from "./frontend_writer.ts";
import type { Retirement } from "./retirement.ts";
import type { RangeReport } from "./source_ranges.ts";

/** A service, and the clients that its limited frontends are open to; undefined: none is limited. */
export interface Limits {
  readonly service: number;
  readonly sourceRanges: readonly string[] | undefined;
}

/**
 * Keeps the ranges of services in step with their frontends: no change lets in a client that may
 * come neither before nor after it, or shuts out one that may come both before and after (KP-24).
 * (A frontend that is taken from a service whose ranges shrink meanwhile may do so until it moves.)
 */
export class SourceRangeWriter {
  readonly #parts: Pick<Adopted, "held" | "table" | "sourceRanges">;
  readonly #retirement: Retirement;
  /** Services without a limited frontend, whose ranges a program may still be reading. */
  readonly #leaving = new Set<number>();
  /** Services whose ranges nobody reads. */
  readonly #idle = new Set<number>();

  constructor(parts: Pick<Adopted, "held" | "table" | "sourceRanges">, retirement: Retirement) {
    this.#parts = parts;
    this.#retirement = retirement;
  }

  /**
   * Before frontends are written, since a service may gain one that is limited: adds what is
   * missing, then removes what is no longer wanted, and says for which services that failed. What
   * stands of a service without a limited frontend is read by nobody, and goes first.
   */
  admit(services: readonly Limits[], report: FrontendReport): ReadonlySet<number> {
    const incomplete = new Set<number>();
    const { sourceRanges: ranges } = this.#parts;
    const told = this.#told(report, (service) => this.#key(service));
    for (const { service, sourceRanges } of services) {
      if (sourceRanges === undefined) continue;
      this.#leaving.delete(service);
      this.#idle.delete(service);
      const keep = () => ranges.keep(service, sourceRanges, told);
      const add = () => ranges.add(service, sourceRanges, told);
      const steps = this.#isLimited(service) ? [add, keep] : [keep, add];
      if (!steps.every((step) => step())) incomplete.add(service);
    }
    return incomplete;
  }

  /** After frontends were written: what no limited one reads goes, a grace period later. */
  expel(services: readonly Limits[], report: FrontendReport): void {
    const { sourceRanges: ranges } = this.#parts;
    for (const { service, sourceRanges } of services) {
      if (sourceRanges === undefined) this.#leave(service);
    }
    const idle = this.#told(report, (service) => `source ranges of ${this.#key(service)}`);
    for (const service of this.#idle) {
      if (ranges.keep(service, [], idle)) this.#idle.delete(service);
    }
    if (this.#leaving.size > 0) report.waits();
  }

  /** The service has no frontend any more; true: it has no ranges either. */
  forget(service: number, report: FrontendReport): boolean {
    this.#leaving.delete(service);
    this.#idle.delete(service);
    const told = this.#told(report, () => this.#key(service));
    return this.#parts.sourceRanges.keep(service, [], told);
  }

  /** A grace period has ended since these had their last limited frontend. */
  unread(services: readonly number[]): void {
    for (const service of services) if (this.#leaving.delete(service)) this.#idle.add(service);
  }

  /** What no frontend asks for goes with the next change. */
  sweep(): void {
    for (const service of this.#parts.sourceRanges.services()) {
      if (!this.#isLimited(service)) this.#idle.add(service);
    }
  }

  #leave(service: number): void {
    const isKnown = this.#leaving.has(service) || this.#idle.has(service);
    if (isKnown || !this.#parts.sourceRanges.has(service) || this.#isLimited(service)) return;
    this.#leaving.add(service);
    this.#retirement.sourceRanges(service);
  }

  #isLimited(service: number): boolean {
    const { held } = this.#parts;
    return held.of(service).some((text) => {
      const value = held.value(text);
      return value !== undefined && isLimited(value);
    });
  }

  #told(report: FrontendReport, keyOf: (service: number) => string): RangeReport {
    const { capacity } = this.#parts.sourceRanges;
    return {
      written: (service) => report.written("sourceRanges", this.#key(service)),
      failed: (service: number, error: MapError) =>
        report.failed(writeFailed(keyOf(service), error, capacity)),
    };
  }

  #key(service: number): string {
    return this.#parts.table.key(service) ?? `#${service}`;
  }
}
