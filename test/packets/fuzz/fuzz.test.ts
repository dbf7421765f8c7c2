import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Rig } from "../rig/rig.ts";
import { fuzz } from "./fuzz.ts";

// `npm run fuzz -- --packets 1000000 --seed N` runs more of them.
const packets = 50_000;
const seed = 20_261_122;

describe("packets that no sound host sends", () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.create();
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
  });

  it("are never translated wrongly, and get no verdict but pass, drop and redirect (PF-32)", () => {
    const report = fuzz(rig, { packets, seed });
    expect(report.mutated).toBeGreaterThan(20_000);
    expect([...report.outcomes.keys()]).toEqual(
      expect.arrayContaining(["untouched", "to the stack", "refused", "dropped", "too big"]),
    );
  });
});
