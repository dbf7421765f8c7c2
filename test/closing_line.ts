import type { Reporter, TestModule, TestSpecification, Vitest } from "vitest/node";
import { RowsReporter, type RowsReporterOptions } from "./rows/reporter.ts";

/** Ends a run with one plain line, whatever the terminal: "12 passed, 0 failed". */
export default class ClosingLine implements Reporter {
  /** Inside, not beside: what it finds is counted, and said before. */
  readonly #rows: RowsReporter;

  constructor(options: RowsReporterOptions) {
    this.#rows = new RowsReporter(options);
  }

  onInit(vitest: Vitest): void {
    this.#rows.onInit(vitest);
  }

  onTestRunStart(specifications: readonly TestSpecification[]): Promise<void> {
    return this.#rows.onTestRunStart(specifications);
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    this.#rows.onTestRunEnd(modules);
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state]++;
      // A module that cannot be loaded has no tests to fail.
      if (module.errors().length > 0) counts.failed++;
    }
    const failed = counts.failed + counts.pending + unhandled.length + this.#rows.faults.length;
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
    console.log(`${counts.passed} passed, ${failed} failed${skipped}`);
  }
}
