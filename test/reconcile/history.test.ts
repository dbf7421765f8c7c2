import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Twin, type TwinCapacity } from "../../agent/datapath/twin.ts";
import { seededFaults } from "../../agent/datapath/twin_faults.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { maglevTableSize } from "./agent_rig.ts";
import { dumpMaps } from "./dump.ts";
import { histories } from "./history.ts";
import { HistoryRunner } from "./history_runner.ts";

const ample: TwinCapacity = { services: 16, backends: 256, slots: 2048, frontends: 64 };
const scarce: TwinCapacity = {
  services: 3,
  backends: 16,
  slots: 32,
  frontends: 6,
  sourceRanges: 3,
};

describe.each([
  { name: "ample maps", capacity: ample, share: 0 },
  { name: "ample maps of which a tenth of the writes fail", capacity: ample, share: 0.1 },
  { name: "maps that are too small", capacity: scarce, share: 0 },
  { name: "maps that are too small and fail", capacity: scarce, share: 0.1 },
])("whatever happens to $name", ({ capacity, share }) => {
  it("no lookup fails, meets a dead or foreign backend, or leaves an index behind (PF-01, PF-27)", async () => {
    await fc.assert(
      fc.asyncProperty(histories, fc.integer(), async (history, seed) => {
        const runner = new HistoryRunner(capacity, seededFaults(seed, share), capacity === ample);
        await runner.live(history);
        await runner.settle();
        if (runner.reconciler.failures.length === 0) {
          expect(dumpMaps(runner.twin)).toBe(await freshDump(runner));
        }
        await runner.removeAll();
        expect(dumpMaps(runner.twin)).toBe("");
        expect(runner.reconciler.usage).toEqual({
          services: { entries: 0, capacity: capacity.services },
          backends: { entries: 0, capacity: capacity.backends },
          slots: { entries: 0, capacity: capacity.slots },
          frontends: { entries: 0, capacity: capacity.frontends },
          source_ranges: { entries: 0, capacity: capacity.sourceRanges ?? 64 },
          service_cidrs: { entries: 0, capacity: 64 },
        });
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

/** What the maps hold when the same is applied to empty ones. */
async function freshDump({ desired }: HistoryRunner): Promise<string> {
  const twin = new Twin(ample);
  const adopting = Reconciler.adopt(twin, { maglevTableSize });
  twin.elapse();
  (await adopting).apply([...desired.values()]);
  return dumpMaps(twin);
}
