import { afterAll, beforeAll, describe } from "vitest";
import { externalPolicyChanges } from "./external_policy_changes.ts";
import type { Scenes } from "./stage.ts";
import { trafficDistribution } from "./traffic_distribution.ts";
import { Zones } from "./zones.ts";

/** What takes more nodes than two. They stay, half of them without an agent: the last scenes. */
export const threeZones: Scenes = (stage) => {
  describe("nodes in three zones", () => {
    let zones: Zones;

    beforeAll(async () => {
      zones = await Zones.open(stage());
    });
    afterAll(() => zones?.[Symbol.asyncDispose]());

    trafficDistribution(stage, () => zones);
    externalPolicyChanges(stage, () => zones);
  });
};
