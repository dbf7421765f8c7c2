import { describe, expect, it } from "vitest";
import { ClusterPod } from "../../harness/cluster_pod.ts";
import { type Load, startLoad } from "../../harness/load.ts";
import type { TestNode } from "../../harness/node.ts";
import { until } from "../../harness/until.ts";
import { provision } from "./cloud.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, udp } from "./subject.ts";

/** UDP behind a balancer while pods come and go: test/e2e/network/loadbalancer.go. */
export const loadBalancerUdp: Scenes = (stage) => {
  describe("UDP through a balancer", () => {
    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service on different nodes (KP-70, PF-20)", async () => {
      const { a, b } = stage().nodes;
      await cycle(stage(), { name: "lb-udp-different", sourcePort: 54_321, from: a, to: b });
    });

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service on the same nodes (KP-70, PF-20)", async () => {
      const { a } = stage().nodes;
      await cycle(stage(), { name: "lb-udp-same", sourcePort: 54_322, from: a, to: a });
    });
  });
};

interface Cycle {
  readonly name: string;
  /** Of all that the client sends: to the node it is one flow from first to last. */
  readonly sourcePort: number;
  /** Where the first pod runs, and the second. */
  readonly from: TestNode;
  readonly to: TestNode;
}

/** Clients of both families ask before there is a pod, while there is one, and after it was replaced. */
async function cycle(stage: Stage, { name, sourcePort, from, to }: Cycle): Promise<void> {
  const spec = { type: "LoadBalancer", ports: [udp] };
  const subject = await Subject.forTest(stage, name, spec, { replicas: 0 });
  const ways = subject.ways(0, await provision(stage, name));
  const options = { sourcePort, gapUs: 10_000, timeoutMs: 1_000 };
  const loads = await Promise.all(ways.map((way) => startLoad(stage.outside, way, options)));
  for (const load of loads) await comesTo(load, "ECONNREFUSED");

  const first = await startPod(stage, from, name, 1);
  for (const load of loads) await comesTo(load, first.name);
  const second = await startPod(stage, to, name, 2);
  await first.terminate();
  await first.remove();
  for (const load of loads) await comesTo(load, second.name);

  for (const load of loads) {
    expect(Object.keys((await load.stop()).backends).sort()).toEqual([first.name, second.name]);
  }
  await second.remove();
}

const startPod = (stage: Stage, node: TestNode, app: string, number: number) =>
  ClusterPod.start(stage.cluster.api, node, {
    name: `${app}-backend-${number}`,
    labels: { app },
    ports: [{ port: udp.targetPort, protocol: "UDP" }],
  });

/** Resolves once the last ten attempts all ended so: a pod's name, or an errno. */
async function comesTo(load: Load, outcome: string): Promise<void> {
  let last: readonly string[] = [];
  await until(
    () => {
      last = load.attempts.slice(-10).map((each) => (each.ok ? each.backend : each.errno));
      return last.length === 10 && last.every((each) => each === outcome);
    },
    { deadlineMs: 20_000, describe: () => `ten times ${outcome}; it is ${last}` },
  );
}
