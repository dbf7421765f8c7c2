import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allCases } from "./cases/all.ts";
import { play } from "./cases/run.ts";
import { Rig } from "./rig/rig.ts";

describe("a packet through the shipped object", () => {
  let shared: Rig;
  let watched = false;

  beforeAll(async () => {
    shared = await Rig.create();
    watched = shared.watchesSums();
  });
  afterAll(async () => {
    await shared[Symbol.asyncDispose]();
  });

  it("is tried in at least 150 cases of different names (B6)", () => {
    const names = allCases.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(150);
  });

  for (const each of allCases) {
    it(each.name, async () => {
      if (each.rig === undefined) {
        play(shared, each, false);
        if (watched) play(shared, each, true);
      } else {
        await using rig = await Rig.create(each.rig);
        play(rig, each, false);
      }
    });
  }
});
