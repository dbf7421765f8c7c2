import { expect, it } from "vitest";
import { isReachable, isRefused } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, tcp, udp } from "./subject.ts";

/** NodePorts: got, shared by two protocols, contested and given back. */
export const nodePorts: Scenes = (stage) => {
  it("[sig-network] Services should be able to create a functioning NodePort service [Conformance] (KP-20, KP-21)", () =>
    create(stage()));
  it("[sig-network] Services should be able to update service type to NodePort listening on same port number but different protocols (KP-33, KP-34)", () =>
    update(stage()));
  it("[sig-network] Services should prevent NodePort collisions (KP-21, KP-34)", () =>
    collide(stage()));
  it("[sig-network] Services should release NodePorts on delete (KP-21, KP-34)", () =>
    release(stage()));
};

const NodePort = { type: "NodePort" };
const two = { replicas: 2 };

async function create(stage: Stage): Promise<void> {
  const subject = await Subject.forTest(stage, "nodeport-test", NodePort, two);
  await isReachable(stage, subject, subject.podNames);
}

async function update(stage: Stage): Promise<void> {
  const subject = await Subject.forTest(stage, "nodeport-update-service", {}, two);
  await isReachable(stage, subject, subject.podNames);
  await subject.update({ type: "NodePort", ports: [tcp] });
  await isReachable(stage, subject, subject.podNames);
  await subject.update({ type: "NodePort", ports: [tcp, udp] });
  expect(subject.spec.ports).toMatchObject([
    { protocol: "TCP", nodePort: expect.any(Number) },
    { protocol: "UDP", nodePort: expect.any(Number) },
  ]);
  await isReachable(stage, subject, subject.podNames);
}

async function collide(stage: Stage): Promise<void> {
  const first = await Subject.forTest(stage, "nodeport-collision-1", NodePort);
  await isReachable(stage, first, first.podNames);
  const { nodePort = 0 } = first.port();
  const contested = { ...NodePort, ports: [{ ...tcp, nodePort }] };
  await expect(stage.cluster.api.createService("nodeport-collision-2", contested)).rejects.toThrow(
    `${nodePort}: provided port is already allocated`,
  );

  await stage.cluster.api.deleteService(first.name);
  const second = await Subject.forTest(stage, "nodeport-collision-2", contested);
  expect(second.port().nodePort).toBe(nodePort);
  await isReachable(stage, second, second.podNames);
}

/** Of the part of the range that the API server gives to nobody who does not ask for it. */
const chosen = 30_061;

async function release(stage: Stage): Promise<void> {
  const { api } = stage.cluster;
  const spec = { ...NodePort, ports: [{ ...tcp, nodePort: chosen }] };
  const subject = await Subject.forTest(stage, "nodeport-reuse", spec);
  await isReachable(stage, subject, subject.podNames);
  await api.deleteService(subject.name);
  await isRefused(stage, subject);
  for (const host of Object.values(stage.hostPods)) {
    const { stdout } = await host.run("ss", ["-Hantl46", `sport = :${chosen}`]);
    expect(stdout).toBe("");
  }
  const again = await api.createService(subject.name, {
    ...spec,
    ipFamilyPolicy: "RequireDualStack",
    selector: { app: subject.name },
  });
  await isReachable(stage, again, subject.podNames);
}
