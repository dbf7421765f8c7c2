import type { V1ServiceSpec } from "@kubernetes/client-node";
import { describe, it } from "vitest";
import { Distribution, type Expected } from "./distribution.ts";
import type { Stage } from "./stage.ts";
import type { NodeName, Zones } from "./zones.ts";

/** Close endpoints are preferred: test/e2e/network/traffic_distribution.go. */
export function trafficDistribution(stage: () => Stage, zones: () => Zones): void {
  const start = (name: string, spec: V1ServiceSpec, on: readonly NodeName[]) =>
    Distribution.forTest(stage(), zones(), name, { spec, on });

  const sameZone = async (name: string, trafficDistribution: string) => {
    const pods = await start(name, { trafficDistribution }, ["a", "b"]);
    await pods.leads({ a: ["a"], b: ["b"], e: ["a", "b"] });
  };
  const sameZoneOfNodes = async (name: string, trafficDistribution: string) => {
    const pods = await start(name, { trafficDistribution }, ["a", "c", "d"]);
    await pods.leads({ a: ["a", "c"], c: ["a", "c"], b: ["d"], e: ["a", "c", "d"] });
  };

  describe("traffic distribution", () => {
    it("[sig-network] Traffic Distribution should route traffic to an endpoint in the same zone when using PreferClose (KP-05, KP-11)", () =>
      sameZone("prefer-close", "PreferClose"));

    it("[sig-network] Traffic Distribution should route traffic correctly between pods on multiple nodes when using PreferClose (KP-05, KP-11)", () =>
      sameZoneOfNodes("prefer-close-nodes", "PreferClose"));

    it("[sig-network] Traffic Distribution should route traffic to an endpoint in the same zone when using PreferSameZone (KP-05, KP-11)", () =>
      sameZone("prefer-same-zone", "PreferSameZone"));

    it("[sig-network] Traffic Distribution should route traffic correctly between pods on multiple nodes when using PreferSameZone (KP-05, KP-11)", () =>
      sameZoneOfNodes("prefer-same-zone-nodes", "PreferSameZone"));

    it("[sig-network] Traffic Distribution should route traffic to an endpoint on the same node or fall back to same zone when using PreferSameNode (KP-05, KP-11)", async () => {
      const spec = { trafficDistribution: "PreferSameNode" };
      const pods = await start("prefer-same-node", spec, ["a", "c", "d"]);
      await pods.leads({ a: ["a"], c: ["c"], b: ["d"], e: ["a", "c", "d"] });
    });

    it("[sig-network] Traffic Distribution should route traffic to an endpoint on the same node when using PreferSameNode and fall back when the endpoint becomes unavailable (KP-11)", async () => {
      const spec = { trafficDistribution: "PreferSameNode" };
      const own: Expected = { a: ["a"], b: ["b"] };
      const remaining: Expected = { a: ["b"], b: ["b"] };
      const pods = await start("prefer-same-node-lost", spec, ["a", "b"]);
      await pods.leads(own);
      await pods.lose("a", remaining);
      await pods.leads(remaining);
      await pods.gain("a");
      await pods.leads(own);
    });
  });

  describe("traffic distribution beside traffic policies", () => {
    it("gives way to internalTrafficPolicy Local, which takes every endpoint of the node (KP-11, KP-13)", async () => {
      const spec = { trafficDistribution: "PreferSameZone", internalTrafficPolicy: "Local" };
      const pods = await start("distributed-internal", spec, ["a", "c"]);
      await pods.leads({ a: ["a"], c: ["c"], b: [], e: [] });
    });

    it("holds for what comes from outside by the node that it comes in by, until externalTrafficPolicy is Local (KP-11, KP-13)", async () => {
      const spec = { type: "NodePort", trafficDistribution: "PreferSameZone" };
      const pods = await start("distributed-external", spec, ["a", "b", "c"]);
      await pods.leadsOutside("a", ["a", "c"]);
      await pods.leadsOutside("b", ["b"]);
      await pods.leadsOutside("e", ["a", "b", "c"]);
      await pods.subject.update({ externalTrafficPolicy: "Local" });
      await pods.leadsOutside("a", ["a"]);
      await pods.leadsOutside("b", ["b"]);
      await pods.leadsOutside("c", ["c"]);
    });
  });
}
