import { parseArgs } from "node:util";
import { sweep } from "../harness/leftovers.ts";
import { generate } from "./arbitrary.ts";
import { Bench } from "./bench.ts";
import { byHand } from "./by_hand.ts";
import { type Difference, describeDifferences } from "./comparison.ts";
import type { Scenario } from "./scenario.ts";

/** Services at once: more of them would only make each publication longer. */
const BATCH = 20;

const { values } = parseArgs({
  options: {
    scenarios: { type: "string", default: "500" },
    seed: { type: "string", default: `${Date.now() % 1_000_000}` },
    only: { type: "string" },
    "fast-path": { type: "string", default: "auto" },
  },
});
const seed = Number(values.seed);

/** All scenarios, or those whose name holds `only`. */
const wanted = [
  ...Object.values(byHand).flat(),
  ...generate(seed, Number(values.scenarios)),
].filter(({ name }) => values.only === undefined || name.includes(values.only));

async function run(bench: Bench, scenarios: readonly Scenario[]): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for (let first = 0; first < scenarios.length; first += BATCH) {
    const batch = scenarios.slice(first, first + BATCH);
    const found = await bench.run(batch);
    if (found.length > 0) console.log(describeDifferences(found));
    differences.push(...found);
    console.error(`${first + batch.length} of ${scenarios.length} scenarios, ${bench.cells} cells`);
  }
  return differences;
}

await sweep();
const fastPath = values["fast-path"] === "off" ? "off" : "auto";
await using bench = await Bench.start({ fastPath });
const differences = await run(bench, wanted);
const differing = new Set(differences.map(({ scenario }) => scenario));
console.log(
  `seed ${seed}: ${wanted.length} scenarios, ${bench.cells} cells, ${differences.length} unexplained differences in ${differing.size} scenarios`,
);
if (differences.length > 0) process.exitCode = 1;
