import { describe, expect, it } from "vitest";
import { reaches } from "../reach.ts";
import { isClosed } from "./closed.ts";
import { cleanupFinalizer, provision, release } from "./cloud.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, tcp, udp } from "./subject.ts";

/**
 * From ClusterIP to LoadBalancer and back, with every port changed in between: the NodePort to one
 * that is given on request alone.
 */
async function changeTypeAndPorts(stage: Stage, port: typeof tcp | typeof udp, nodePort: number) {
  const { outside, nodes } = stage;
  const subject = await Subject.forTest(stage, `lb-mutability-${port.name}`, { ports: [port] });
  const serves = () => reaches(stage.pods.b, subject.ways(), ...subject.podNames);
  await serves();

  await subject.update({ type: "NodePort" });
  const firstNodePort = subject.port().nodePort;
  await subject.hasNodePort();
  await serves();
  for (const node of [nodes.a, nodes.b]) {
    await reaches(stage.pods.b, subject.nodePortWays(node), ...subject.podNames);
  }

  await subject.update({ type: "LoadBalancer" });
  expect(subject.port().nodePort).toBe(firstNodePort);
  const addresses = await provision(stage, subject.name);
  const balanced = () => reaches(outside, subject.ways(0, addresses), ...subject.podNames);
  await serves();
  await balanced();

  await subject.update({ ports: [{ ...subject.port(), nodePort }] });
  expect(subject.port().nodePort).toBe(nodePort);
  await subject.hasNodePort();
  await reaches(outside, subject.nodePortWays(nodes.b), ...subject.podNames);
  await serves();
  await balanced();

  await subject.update({ ports: [{ ...subject.port(), port: 81 }] });
  expect(subject.port()).toMatchObject({ port: 81, nodePort });
  await serves();
  await balanced();

  await subject.pods.scale(0);
  // A datagram for a pod that has just gone would wait for its timeout.
  for (const agent of Object.values(stage.agents)) await agent.hasEndpoints(subject.name, 0);
  await reaches(outside, subject.ways(0, addresses), "ECONNREFUSED");
  await subject.pods.scale(1);
  await serves();
  await balanced();

  const [nodePortWays, ways] = [subject.nodePortWays(nodes.a), subject.ways(0, addresses)];
  await subject.update({ type: "ClusterIP" });
  expect(subject.port().nodePort).toBeUndefined();
  await release(stage, subject.name);
  await isClosed(outside, ways);
  await isClosed(outside, nodePortWays);
}

/** LoadBalancer Services that change: test/e2e/network/loadbalancer.go. */
export const loadBalancerChanges: Scenes = (stage) => {
  const finalizersOf = async (name: string) => {
    const { metadata } = await stage().cluster.api.core.readNamespacedService({
      namespace: "default",
      name,
    });
    return metadata?.finalizers;
  };

  describe("LoadBalancer Services", () => {
    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should be able to change the type and ports of a TCP service [Slow] (KP-14, KP-22, KP-34)", () =>
      changeTypeAndPorts(stage(), tcp, 30_071));

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should be able to change the type and ports of a UDP service [Slow] (KP-14, KP-22, KP-34)", () =>
      changeTypeAndPorts(stage(), udp, 30_072));

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should handle load balancer cleanup finalizer for service [Slow] (KP-22, KP-34)", async () => {
      const { outside, cluster } = stage();
      const subject = await Subject.forTest(stage(), "lb-finalizer", { type: "LoadBalancer" });
      const first = await provision(stage(), subject.name);
      await reaches(outside, subject.ways(0, first), ...subject.podNames);
      expect(await finalizersOf(subject.name)).toEqual([cleanupFinalizer]);

      await subject.update({ type: "ClusterIP" });
      await release(stage(), subject.name);
      expect(await finalizersOf(subject.name)).toBeUndefined();
      await isClosed(outside, subject.ways(0, first));

      await subject.update({ type: "LoadBalancer" });
      const second = await provision(stage(), subject.name);
      await reaches(outside, subject.ways(0, second), ...subject.podNames);
      expect(await finalizersOf(subject.name)).toEqual([cleanupFinalizer]);

      // Deleted, it stays until the cloud has cleaned up, and serves as long as its status says so.
      await cluster.api.deleteService(subject.name);
      await reaches(outside, subject.ways(0, second), ...subject.podNames);
      await release(stage(), subject.name);
      await isClosed(outside, subject.ways(0, second));
      await expect(finalizersOf(subject.name)).rejects.toMatchObject({ code: 404 });
    });

    it("[sig-network] LoadBalancers [Feature:LoadBalancer] should be able to create LoadBalancer Service without NodePort and change it [Slow] (KP-25, KP-34)", async () => {
      const { outside, nodes } = stage();
      const subject = await Subject.forTest(stage(), "lb-reallocate-nodeport");
      await subject.update({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false });
      expect(subject.port().nodePort).toBeUndefined();
      const addresses = await provision(stage(), subject.name);
      await reaches(outside, subject.ways(0, addresses), ...subject.podNames);

      await subject.update({ allocateLoadBalancerNodePorts: true });
      expect(subject.port().nodePort).toBeGreaterThan(0);
      await reaches(outside, subject.ways(0, addresses), ...subject.podNames);
      await reaches(outside, subject.nodePortWays(nodes.b), ...subject.podNames);
    });
  });
};
