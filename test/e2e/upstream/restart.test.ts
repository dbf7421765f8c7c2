import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isReachable } from "./reachability.ts";
import { Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

const three = { replicas: 3 };

describe("Kubernetes' end-to-end tests that restart a part of the cluster", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start();
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  const start = (name: string): Promise<Subject> => Subject.forTest(stage, name, {}, three);

  const areUp = async (...subjects: readonly Subject[]): Promise<void> => {
    for (const subject of subjects) await isReachable(stage, subject, subject.podNames);
  };

  it("[sig-network] Services should work after restarting kube-proxy [Disruptive] (KP-04, PF-02, PF-04)", async () => {
    const one = await start("restart-proxy-1");
    const two = await start("restart-proxy-2");
    expect(one.spec.clusterIPs).not.toEqual(two.spec.clusterIPs);
    await areUp(one, two);
    const agents = Object.values(stage.agents);
    const before = agents.map(({ pid }) => pid);
    for (const agent of agents) await agent.kill();
    // Beyond upstream's: while there is none, and with what changed meanwhile.
    await areUp(one, two);
    await two.pods.scale(4);
    for (const agent of agents) await agent.begin();
    expect(agents.map(({ pid }) => pid)).not.toEqual(before);
    await areUp(one, two);
  });

  it("[sig-network] Services should work after restarting apiserver [Disruptive] (KP-04, PF-03)", async () => {
    const one = await start("restart-apiserver-1");
    await areUp(one);
    await stage.cluster.controlPlane.stopApiServer();
    // Beyond upstream's: while there is none.
    await areUp(one);
    await stage.cluster.controlPlane.startApiServer();
    await areUp(one);
    const two = await start("restart-apiserver-2");
    expect(two.spec.clusterIPs).not.toEqual(one.spec.clusterIPs);
    await areUp(one, two);
  });
});
