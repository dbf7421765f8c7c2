import { describe, it } from "vitest";
import type { Site } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import { isClosed } from "./closed.ts";
import { provision } from "./cloud.ts";
import type { Scenes } from "./stage.ts";
import { Subject } from "./subject.ts";

const everything = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"];
const nothing = ["255.0.0.0/32", "ffff::/128"];

/** Who may use a balancer: test/e2e/network/loadbalancer.go. */
export const loadBalancerRanges: Scenes = (stage) => {
  describe("LoadBalancer Services", () => {
    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should only allow access from service loadbalancer source ranges [Slow] (KP-24)", async () => {
      const { outside, pods, nodes } = stage();
      const [accepted, dropped] = [pods.a, pods.b];
      const subject = await Subject.forTest(stage(), "lb-sourcerange", { type: "LoadBalancer" });
      const ways = subject.ways(0, await provision(stage(), subject.name));
      const admits = async (...sites: readonly Site[]) => {
        const others = [outside, accepted, dropped].filter((site) => !sites.includes(site));
        await Promise.all([
          ...sites.map((site) => reaches(site, ways, ...subject.podNames)),
          ...others.map((site) => isClosed(site, ways)),
        ]);
      };
      await admits(outside, accepted, dropped);

      const own = [`${accepted.ip4}/32`, `${accepted.ip6}/128`];
      const node = [`${nodes.a.ip4}/32`, `${nodes.a.ip6}/128`];
      await subject.update({ loadBalancerSourceRanges: [...own, ...node] });
      await admits(accepted);

      await subject.update({ loadBalancerSourceRanges: everything });
      await admits(outside, accepted, dropped);

      await subject.update({ loadBalancerSourceRanges: nothing });
      await admits();

      await subject.update({ loadBalancerSourceRanges: null });
      await admits(outside, accepted, dropped);
    });
  });
};
