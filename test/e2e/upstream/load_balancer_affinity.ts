import { describe, it } from "vitest";
import { reaches } from "../reach.ts";
import { provision } from "./cloud.ts";
import { keepsToOne } from "./kept_affinity.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

type Policy = "Cluster" | "Local";

/** Three pods, two of them on the node that the balancer uses, and the ways to the balancer. */
async function balanced(stage: Stage, name: string, externalTrafficPolicy: Policy) {
  const subject = await Subject.forTest(
    stage,
    name,
    { type: "LoadBalancer", externalTrafficPolicy, sessionAffinity: "ClientIP" },
    { replicas: 3 },
  );
  const ways = subject.ways(0, await provision(stage, name));
  // One pod alone would look like affinity.
  await stage.agents.a.hasEndpoints(name, 3);
  const [first, second, third] = subject.podNames as [string, string, string];
  const eligible = externalTrafficPolicy === "Local" ? [first, third] : [first, second, third];
  return { subject, ways, eligible };
}

async function hold(stage: Stage, name: string, policy: Policy): Promise<void> {
  const { ways, eligible } = await balanced(stage, name, policy);
  for (const way of ways) await keepsToOne(stage.outside, way, eligible);
}

async function switchOver(stage: Stage, name: string, policy: Policy): Promise<void> {
  const { subject, ways, eligible } = await balanced(stage, name, policy);
  await subject.update({ sessionAffinity: "None" });
  await reaches(stage.outside, ways, ...eligible);
  await subject.update({ sessionAffinity: "ClientIP" });
  for (const way of ways) await keepsToOne(stage.outside, way, eligible);
}

/** Session affinity behind a balancer: test/e2e/network/loadbalancer.go. */
export const loadBalancerAffinity: Scenes = (stage) => {
  describe("LoadBalancer Services", () => {
    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should have session affinity work for LoadBalancer service with Local traffic policy [Slow] [LinuxOnly] (KP-13, KP-28)", () =>
      hold(stage(), "affinity-lb-esipp", "Local"));

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should be able to switch session affinity for LoadBalancer service with Local traffic policy [Slow] [LinuxOnly] (KP-13, KP-28)", () =>
      switchOver(stage(), "affinity-lb-esipp-transition", "Local"));

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should have session affinity work for LoadBalancer service with Cluster traffic policy [Slow] [LinuxOnly] (KP-12, KP-28)", () =>
      hold(stage(), "affinity-lb", "Cluster"));

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should be able to switch session affinity for LoadBalancer service with Cluster traffic policy [Slow] [LinuxOnly] (KP-12, KP-28)", () =>
      switchOver(stage(), "affinity-lb-transition", "Cluster"));
  });
};
