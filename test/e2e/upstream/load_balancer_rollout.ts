import { describe, expect, it } from "vitest";
import { type Load, startLoad } from "../../harness/load.ts";
import type { TestNode } from "../../harness/node.ts";
import { until } from "../../harness/until.ts";
import { BalancedLoad } from "../balanced_load.ts";
import { provision } from "./cloud.ts";
import { Daemons } from "./daemons.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, tcp, udp } from "./subject.ts";

/** Both protocols at one NodePort, as the balancer sends either; of those given on request alone. */
const nodePort = 30_073;

/** Rolling updates behind a balancer: test/e2e/network/loadbalancer.go. */
export const loadBalancerRollout: Scenes = (stage) => {
  describe("a rolling update behind a balancer", () => {
    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should not have connectivity disruption during rolling update with externalTrafficPolicy=Cluster [Slow] (KP-12, PF-01)", () =>
      rollUnderCluster(stage()));

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should not have connectivity disruption during rolling update with externalTrafficPolicy=Local [Slow] (KP-13, KP-40, PF-47)", () =>
      rollUnderLocal(stage()));
  });
};

async function rollUnderCluster(stage: Stage): Promise<void> {
  const pods = await Daemons.start(stage, "lb-rolling-cluster");
  const subject = await Subject.forTest(
    stage,
    pods.name,
    { type: "LoadBalancer" },
    { replicas: 0 },
  );
  const ways = subject.ways(0, await provision(stage, subject.name));
  await stage.agents.a.hasEndpoints(subject.name, 2);
  const loads = await Promise.all(
    ways.map((way) => startLoad(stage.outside, way, { gapUs: 5_000, timeoutMs: 5_000 })),
  );
  const areAnswered = async () => {
    for (const load of loads) await isAnsweredBy(load, pods.names);
  };

  await areAnswered();
  await pods.roll(areAnswered, areAnswered);
  for (const load of loads) {
    const { errors, ok } = await load.stop();
    expect(errors).toEqual({});
    expect(ok).toBeGreaterThan(100);
  }
}

/** Resolves once the last thirty requests all succeeded, by these pods and each of them. */
async function isAnsweredBy(load: Load, names: readonly string[]): Promise<void> {
  const wanted = names.toSorted().join();
  let last = "";
  await until(
    () => {
      const recent = load.attempts.slice(-30);
      const answers = recent.map((each) => (each.ok ? each.backend : each.errno));
      last = [...new Set(answers)].toSorted().join();
      return recent.length === 30 && last === wanted;
    },
    { deadlineMs: 20_000, describe: () => `${wanted} to answer; it is ${last}` },
  );
}

/** The balancer goes by the health of the nodes, and leads to their NodePorts. */
async function rollUnderLocal(stage: Stage): Promise<void> {
  const { a, b } = stage.nodes;
  const pods = await Daemons.start(stage, "lb-rolling-local");
  const subject = await Subject.forTest(
    stage,
    pods.name,
    {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      ports: [
        { ...tcp, nodePort },
        { ...udp, nodePort },
      ],
    },
    { replicas: 0 },
  );
  const { healthCheckNodePort = 0 } = subject.spec;
  const addresses = [a, b].flatMap(({ ip4, ip6 }) => [ip4, ip6]);
  const load = await BalancedLoad.start(stage.outside, {
    ...{ healthCheckNodePort, nodePort },
    nodes: addresses,
  });
  const asks = (...nodes: readonly TestNode[]) =>
    load.asks(...nodes.flatMap(({ ip4, ip6 }) => [ip4, ip6]));

  await pods.roll(
    (replaced) => asks(replaced === a ? b : a),
    async () => {
      await asks(a, b);
      await load.isAnsweredBy(...pods.names);
    },
  );
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.requests.length).toBeGreaterThan(500);
}
