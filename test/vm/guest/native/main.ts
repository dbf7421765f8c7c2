import { release } from "node:os";
import { REPORT_MARK } from "../report.ts";
import { type NativeReport, type Step, steps } from "./steps.ts";

/** Runs inside the guest: takes every step, whatever becomes of those before, and reports. */
const outcomes: Record<string, unknown> = {};
for (const [name, step] of Object.entries<Step>(steps)) {
  try {
    outcomes[name] = await step();
  } catch (error) {
    outcomes[name] = { failed: error instanceof Error ? error.stack : String(error) };
  }
}
const report = { kernel: release(), ...outcomes } as NativeReport;
console.log(`${REPORT_MARK}${JSON.stringify(report)}`);
process.exit(0);
