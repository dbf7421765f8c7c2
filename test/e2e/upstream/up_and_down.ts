import { expect, it } from "vitest";
import { isPublished, isReachable, isRefused } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, tcp } from "./subject.ts";

/** Whole Services come, go, and come again. */
export const upAndDown: Scenes = (stage) => {
  it("[sig-network] Services should be able to up and down services (KP-31, KP-34)", () =>
    startAndStop(stage()));
  it("[sig-network] Services should work after the service has been recreated (KP-31, KP-34)", () =>
    recreate(stage()));
};

const three = { replicas: 3 };

async function startAndStop(stage: Stage): Promise<void> {
  const [one, two] = await Promise.all([
    Subject.create(stage, "up-down-1", {}, three),
    Subject.forTest(stage, "up-down-2", {}, three),
  ]);
  await isReachable(stage, one, one.podNames);
  await isReachable(stage, two, two.podNames);

  await one[Symbol.asyncDispose]();
  await isPublished(stage, one.name, 0);
  await isRefused(stage, one);
  await isReachable(stage, two, two.podNames);

  const third = await Subject.forTest(stage, "up-down-3", {}, three);
  expect(third.spec.clusterIPs).not.toEqual(two.spec.clusterIPs);
  await isReachable(stage, two, two.podNames);
  await isReachable(stage, third, third.podNames);
}

async function recreate(stage: Stage): Promise<void> {
  const { api } = stage.cluster;
  const subject = await Subject.forTest(stage, "service-deletion");
  const { name, podNames } = subject;
  await isReachable(stage, subject, podNames);
  await api.deleteService(name);
  await isRefused(stage, subject);

  const spec = { ipFamilyPolicy: "RequireDualStack", selector: { app: name }, ports: [tcp] };
  await isReachable(stage, await api.createService(name, spec), podNames);

  await api.deleteService(name);
  const { clusterIP = "", clusterIPs = [] } = subject.spec;
  const again = await api.createService(name, { ...spec, clusterIP, clusterIPs });
  expect(again.spec?.clusterIPs).toEqual(clusterIPs);
  await isReachable(stage, again, podNames);
}
