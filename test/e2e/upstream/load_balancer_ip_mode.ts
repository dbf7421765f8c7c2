import { describe, it } from "vitest";
import { reaches } from "../reach.ts";
import { announce, provision } from "./cloud.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Where nothing is led: whoever is let through to it hears so from the network. */
const beyond = ["192.0.2.201", "2001:db8:51::201"];

/** What KEP-1860 has an ipMode do; Kubernetes 1.36 has no end-to-end test of it. */
export const loadBalancerIpMode: Scenes = (stage) => {
  describe("the ipMode of a balancer's address (KEP-1860)", () => {
    it("Proxy has pods and nodes go out to the balancer, VIP leads them to the pods at once (KP-22)", () =>
      switchModes(stage()));

    it("Proxy leaves the NodePort and the ClusterIP as they are (KP-22)", () =>
      keepOthers(stage()));
  });
};

async function switchModes(stage: Stage): Promise<void> {
  const { pods, hostPods } = stage;
  const subject = await Subject.forTest(stage, "lb-ip-mode", { type: "LoadBalancer" });
  const ways = subject.ways(0, beyond);
  const sites = [pods.a, pods.b, hostPods.a, hostPods.b];
  const all = (outcome: string) => Promise.all(sites.map((site) => reaches(site, ways, outcome)));
  const [pod = ""] = subject.podNames;

  await announce(stage, subject.name, beyond, "VIP");
  await all(pod);
  await announce(stage, subject.name, beyond, "Proxy");
  await all("untranslated");
  await announce(stage, subject.name, beyond);
  await all(pod);
}

async function keepOthers(stage: Stage): Promise<void> {
  const { pods, nodes, outside } = stage;
  const subject = await Subject.forTest(stage, "lb-ip-mode-ports", { type: "LoadBalancer" });
  await provision(stage, subject.name);
  await announce(stage, subject.name, beyond, "Proxy");
  await reaches(pods.b, subject.ways(0, beyond), "untranslated");
  await reaches(pods.b, subject.ways(), ...subject.podNames);
  await reaches(outside, subject.nodePortWays(nodes.b), ...subject.podNames);
}
