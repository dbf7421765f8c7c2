import type { MapError } from "../datapath/map_error.ts";
import type { Adopted } from "./adopt.ts";
import { writeFailed } from "./failure.ts";
import { isLimited } from "./frontend_value.ts";
import type { FrontendReport } from "./frontend_writer.ts";
import type { Retirement } from "./retirement.ts";
import type { RangeReport } from "./source_ranges.ts";

/** A service, and the clients that its limited frontends are open to; undefined: it has none. */
export interface Limits {
  readonly service: number;
  readonly sourceRanges: readonly string[] | undefined;
}

/**
 * Keeps the ranges of services in step with their frontends: no change shuts out a client that may
 * come before and after it, or lets one in that may not (KP-24).
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
   * Before frontends are written: adds the ranges that are missing, and says for which services
   * that failed. What stands of a service without a limited frontend may be a former owner's, and
   * is read by nobody: it goes first.
   */
  admit(services: readonly Limits[], report: FrontendReport): ReadonlySet<number> {
    const incomplete = new Set<number>();
    const { sourceRanges: ranges } = this.#parts;
    const told = this.#told(report, (service) => this.#key(service));
    for (const { service, sourceRanges } of services) {
      if (sourceRanges === undefined) continue;
      this.#leaving.delete(service);
      this.#idle.delete(service);
      const isClean = this.#isLimited(service) || ranges.keep(service, sourceRanges, told);
      if (!isClean || !ranges.add(service, sourceRanges, told)) incomplete.add(service);
    }
    return incomplete;
  }

  /** After frontends were written: removes what is no longer wanted, and what idles by now. */
  expel(services: readonly Limits[], report: FrontendReport): void {
    const { sourceRanges: ranges } = this.#parts;
    const told = this.#told(report, (service) => this.#key(service));
    for (const { service, sourceRanges } of services) {
      if (sourceRanges !== undefined) ranges.keep(service, sourceRanges, told);
      else this.#leave(service);
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
