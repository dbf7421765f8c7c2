import { describe, expect, it } from "vitest";
import { Twin } from "../../agent/datapath/twin.ts";
import { seededFaults } from "../../agent/datapath/twin_faults.ts";
import type { FaultPlan } from "../../agent/datapath/twin_maps.ts";
import { countWrites } from "../../agent/reconcile/writes.ts";
import { AgentRig } from "./agent_rig.ts";
import { answersOf, faultsBetween, stateOf } from "./answers.ts";
import { dumpMaps } from "./dump.ts";
import { observedMaps } from "./observed.ts";
import { Cluster, capacityOf, loadScenarios, type Scenario } from "./scenario.ts";

const scenarios = loadScenarios();

class Killed extends Error {}

/** Runs the first steps of a scenario, and hands each state over. */
async function run(
  scenario: Scenario,
  steps: number,
  plan?: FaultPlan,
  check: (rig: AgentRig, step: number, written: number) => void = () => undefined,
): Promise<{ rig: AgentRig; cluster: Cluster }> {
  const twin = new Twin(capacityOf(scenario), plan);
  const cluster = new Cluster();
  let rig = await AgentRig.start(twin);
  rig.handle(cluster.list());
  await rig.settle();
  for (const [index, step] of scenario.steps.slice(0, steps).entries()) {
    const events = cluster.step(step);
    if (step.restart) rig = await AgentRig.start(twin);
    const before = countWrites(rig.reconciler.writes);
    rig.handle(step.restart ? cluster.list() : events);
    await rig.settle();
    check(rig, index, countWrites(rig.reconciler.writes) - before);
  }
  return { rig, cluster };
}

const failuresOf = (rig: AgentRig): readonly string[] =>
  rig.loop
    .status()
    .failures.map(({ key, message }) => `${key}: ${message}`)
    .sort();

describe.each(scenarios)("$name", (scenario) => {
  it("on maps that work", async () => {
    await run(scenario, Infinity, undefined, (rig, index, written) => {
      const step = scenario.steps[index]!;
      expect(dumpMaps(rig.twin), `step ${index + 1}`).toBe(step.maps);
      expect(failuresOf(rig), `step ${index + 1}`).toEqual(step.failures ?? []);
      if (step.writes !== undefined) expect(written, `step ${index + 1}`).toBe(step.writes);
      answersOf(rig.twin);
    });
  });

  it.each([1, 2, 3, 4, 5])("with a tenth of the map writes failing, seed %i", async (seed) => {
    await run(scenario, Infinity, seededFaults(seed, 0.1), (rig, index) => {
      const step = scenario.steps[index]!;
      expect(dumpMaps(rig.twin), `step ${index + 1}`).toBe(step.maps);
      expect(failuresOf(rig), `step ${index + 1}`).toEqual(step.failures ?? []);
    });
  });

  it("with the agent killed at every single write and started again (PF-01, PF-02)", async () => {
    let kills = 0;
    for (const [index, step] of scenario.steps.entries()) {
      const before = stateOf((await run(scenario, index)).rig.twin);
      const after = stateOf((await run(scenario, index + 1)).rig.twin);
      for (let at = 0; ; at++) {
        const { rig, cluster } = await run(scenario, index);
        const finished = await killedAt(at, rig.twin, cluster, () => cluster.step(step));
        const where = `step ${index + 1}, write ${at + 1}`;
        expect(faultsBetween(before, stateOf(rig.twin), after), where).toEqual([]);
        const next = await AgentRig.start(rig.twin);
        next.handle(cluster.list());
        await next.settle();
        expect(dumpMaps(rig.twin), where).toBe(step.maps);
        if (finished) break;
        kills++;
      }
    }
    expect(kills).toBeGreaterThan(0);
  });
});

/** Runs a step on an agent that dies before its nth write. False: it did not live to the end. */
async function killedAt(
  writes: number,
  twin: Twin,
  cluster: Cluster,
  change: () => ReturnType<Cluster["step"]>,
): Promise<boolean> {
  let left = writes;
  let armed = false;
  const maps = observedMaps(twin, () => {
    if (armed && left-- === 0) throw new Killed();
  });
  const rig = await AgentRig.start(twin, maps);
  rig.handle(cluster.list());
  await rig.settle();
  armed = true;
  try {
    rig.handle(change());
    await rig.settle();
    return true;
  } catch (error) {
    if (error instanceof Killed) return false;
    throw error;
  }
}
