import { describe, expect, it } from "vitest";
import { MapError } from "../../agent/datapath/map_error.ts";
import { Twin } from "../../agent/datapath/twin.ts";
import { seededFaults } from "../../agent/datapath/twin_faults.ts";
import {
  conformanceCapacity,
  serviceMapsConformance,
} from "../datapath/service_maps.conformance.ts";

serviceMapsConformance("the twin", () => {
  const maps = new Twin(conformanceCapacity);
  return { maps, elapse: () => maps.elapse() };
});

describe("the twin's faults", () => {
  const names = Array.from({ length: 10 }, (_, index) => [
    index,
    { nameSpace: "a", name: `s${index}`, portName: "", family: 4, protocol: 6, port: 80 },
  ]) as never;

  it("stops a batch where the plan says, after the entries before it", () => {
    const twin = new Twin(conformanceCapacity, (map) => (map === "names" ? 3 : undefined));
    expect(() => twin.names.update(names)).toThrow(MapError);
    expect(Array.from(twin.names.entries(), ([index]) => index)).toEqual([0, 1, 2]);
  });

  it("come in the share asked for, the same with the same seed", () => {
    const draw = (seed: number) => {
      const plan = seededFaults(seed, 0.1);
      return Array.from({ length: 2000 }, () => plan("names", 10));
    };
    const faults = draw(7).filter((done) => done !== undefined);
    expect(faults.length).toBeGreaterThan(140);
    expect(faults.length).toBeLessThan(260);
    expect(new Set(faults).size).toBe(10);
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("leave a grace period open until it is told to end", async () => {
    const twin = new Twin(conformanceCapacity);
    let ended = false;
    const period = twin.gracePeriod().then(() => {
      ended = true;
    });
    await Promise.resolve();
    expect(ended).toBe(false);
    expect(twin.elapse()).toBe(1);
    await period;
    expect(ended).toBe(true);
  });
});
