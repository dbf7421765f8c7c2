import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with one plain line, whatever the terminal: "12 passed, 0 failed". */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state]++;
      // A module that cannot be loaded has no tests to fail.
      if (module.errors().length > 0) counts.failed++;
    }
    const failed = counts.failed + counts.pending + unhandled.length;
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
    console.log(`${counts.passed} passed, ${failed} failed${skipped}`);
  }
}
