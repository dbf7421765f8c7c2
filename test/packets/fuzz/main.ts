import { parseArgs } from "node:util";
import { Rig } from "../rig/rig.ts";
import { FuzzFailure, fuzz } from "./fuzz.ts";

const { values } = parseArgs({
  options: {
    packets: { type: "string", default: "1000000" },
    object: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const seed = Number(values.seed);
await using rig = await Rig.create(values.object === undefined ? {} : { object: values.object });
report();

/** What a failure says is for people; where it was thrown is of no interest. */
function report(): void {
  const start = performance.now();
  try {
    const { packets, mutated, outcomes } = fuzz(rig, { packets: Number(values.packets), seed });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${packets} packets of seed ${seed}, ${mutated} mutated, in ${seconds} s:`);
    for (const [name, count] of [...outcomes].sort(([, one], [, other]) => other - one)) {
      console.log(`  ${name}: ${count}`);
    }
    console.log("no wrong translation, no other verdict");
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
