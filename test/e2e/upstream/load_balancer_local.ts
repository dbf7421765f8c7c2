import { describe, expect, it } from "vitest";
import { attempt } from "../../harness/load.ts";
import type { TestPod } from "../../harness/pod.ts";
import { reaches } from "../reach.ts";
import { leadTo, provision } from "./cloud.ts";
import { closesHealthCheck, hasHealth } from "./health_check_node_port.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, type SubjectPods, tcp } from "./subject.ts";

/** Balancers that keep the client's address: test/e2e/network/loadbalancer.go. */
export const loadBalancerLocal: Scenes = (stage) => {
  describe("a balancer with externalTrafficPolicy Local", () => {
    it("[sig-network] LoadBalancers ExternalTrafficPolicy: Local [Feature:LoadBalancer] [Slow] should work for type=LoadBalancer (KP-21, KP-40)", () =>
      keepClientAddress(stage()));

    it("[sig-network] LoadBalancers ExternalTrafficPolicy: Local [Feature:LoadBalancer] [Slow] should only target nodes with endpoints (KP-13, KP-40)", () =>
      targetNodesInTurn(stage()));

    it("[sig-network] LoadBalancers ExternalTrafficPolicy: Local [Feature:LoadBalancer] [Slow] should target all nodes with endpoints (KP-13, KP-40)", () =>
      targetAllNodes(stage()));

    it("[sig-network] LoadBalancers ExternalTrafficPolicy: Local [Feature:LoadBalancer] [Slow] should work from pods (KP-14)", () =>
      workFromPods(stage()));
  });
};

async function onlyLocal(stage: Stage, name: string, port: object = tcp, pods: SubjectPods = {}) {
  const spec = {
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    ports: [port as typeof tcp],
  };
  const subject = await Subject.forTest(stage, name, spec, pods);
  const addresses = await provision(stage, name);
  return { subject, addresses, ways: subject.ways(0, addresses) };
}

const healthPortOf = ({ spec }: Subject): number => {
  expect(spec.healthCheckNodePort).toBeGreaterThan(0);
  return spec.healthCheckNodePort ?? 0;
};

async function keepClientAddress(stage: Stage): Promise<void> {
  const { outside, pods, nodes } = stage;
  const { subject, ways } = await onlyLocal(stage, "external-local-lb");
  const healthPort = healthPortOf(subject);
  await reaches(outside, ways, ...subject.podNames);
  const seen = await Promise.all(ways.map((way) => attempt(outside, way)));
  expect(seen.flat()).toMatchObject([{ client: outside.ip4 }, { client: outside.ip6 }]);
  await hasHealth(pods.b, nodes.a, healthPort, 200);

  await subject.update({ type: "ClusterIP" });
  for (const node of [nodes.a, nodes.b]) await closesHealthCheck(pods.b, node, healthPort);
}

async function targetNodesInTurn(stage: Stage): Promise<void> {
  const { outside, pods, nodes, cluster } = stage;
  const port = { ...tcp, port: 8081, targetPort: 80 };
  const { subject, addresses, ways } = await onlyLocal(stage, "external-local-nodes", port, {
    replicas: 0,
  });
  const healthPort = healthPortOf(subject);
  for (const node of [nodes.a, nodes.b]) {
    const other = node === nodes.a ? nodes.b : nodes.a;
    const deployment = await cluster.deployment(`external-local-nodes-on-${node.name}`, {
      replicas: 1,
      labels: { app: subject.name },
      ports: [{ port: 80 }],
      nodes: [node],
    });
    await hasHealth(pods.a, node, healthPort, 200);
    await hasHealth(pods.a, other, healthPort, 503);
    await leadTo(stage, addresses, node);
    await reaches(outside, ways, ...deployment.pods.map(({ name }) => name));
    await hasHealth(pods.b, node, healthPort, 200);
    await hasHealth(pods.b, other, healthPort, 503);
    await deployment.remove();
  }
}

async function targetAllNodes(stage: Stage): Promise<void> {
  const { outside, nodes } = stage;
  const { subject, addresses, ways } = await onlyLocal(stage, "external-local-all", tcp, {
    replicas: 2,
  });
  for (const [index, node] of [nodes.a, nodes.b].entries()) {
    await hasHealth(outside, node, healthPortOf(subject), 200);
    await leadTo(stage, addresses, node);
    await reaches(outside, ways, subject.podNames[index] ?? "");
  }
}

async function workFromPods(stage: Stage): Promise<void> {
  const { subject, ways } = await onlyLocal(stage, "external-local-pods");
  const from = async (pod: TestPod) => {
    await reaches(pod, ways, ...subject.podNames);
    const seen = await Promise.all(ways.map((way) => attempt(pod, way)));
    expect(seen.flat()).toMatchObject([{ client: pod.ip4 }, { client: pod.ip6 }]);
  };
  await from(stage.pods.a);
  await from(stage.pods.b);
}
