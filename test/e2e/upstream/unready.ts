import { expect, it } from "vitest";
import { answersFrom } from "../reach.ts";
import { isPublished, isReachable, isRefused, waysInto } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Pods that are not ready, or no longer, with and without publishNotReadyAddresses. */
export const unreadyPods: Scenes = (stage) => {
  it("[sig-network] Services should create endpoints for unready pods (KP-03, KP-12)", () =>
    tolerateUnready(stage()));
  it("[sig-network] Services should be able to connect to terminating and unready endpoints if PublishNotReadyAddresses is true (KP-03, KP-12)", () =>
    connectToUnready(stage()));
  it("[sig-network] Services should not be able to connect to terminating and unready endpoints if PublishNotReadyAddresses is false (KP-03, KP-12, KP-14)", () =>
    failToConnect(stage()));
};

/** What upstream makes, so that what is said once does not hold by chance. */
const rounds = 5;

async function tolerateUnready(stage: Stage): Promise<void> {
  const spec = { publishNotReadyAddresses: true };
  const subject = await Subject.forTest(stage, "tolerate-unready", spec, { ready: false });
  const { podNames } = subject;
  await isReachable(stage, subject, podNames);

  for (const pod of subject.pods.pods) await pod.terminate();
  await subject.update({ publishNotReadyAddresses: false });
  await isRefused(stage, subject);
  await subject.update({ publishNotReadyAddresses: true });
  await isReachable(stage, subject, podNames);

  await subject.pods.remove();
  await isPublished(stage, subject.name, 0);
  await isRefused(stage, subject);
}

/** A pod that is ready at first, then terminating and no longer ready; it goes on serving. */
async function terminating(stage: Stage, name: string, publish: boolean): Promise<Subject> {
  const spec = { type: "NodePort", publishNotReadyAddresses: publish };
  const subject = await Subject.forTest(stage, name, spec);
  await isReachable(stage, subject, subject.podNames);
  for (const pod of subject.pods.pods) {
    await pod.terminate();
    await pod.setReady(false);
  }
  return subject;
}

async function connectToUnready(stage: Stage): Promise<void> {
  const subject = await terminating(stage, "svc-tolerate-unready", true);
  await stage.cluster.api.waitForEndpoints(
    subject.name,
    (endpoints) => endpoints.length === 2 && endpoints.every((each) => each.terminating),
    { deadlineMs: 20_000, describe: "the pod to be terminating" },
  );
  for (let round = 0; round < rounds; round++) await isReachable(stage, subject, subject.podNames);
}

async function failToConnect(stage: Stage): Promise<void> {
  const subject = await terminating(stage, "svc-not-tolerate-unready", false);
  await isRefused(stage, subject);
  for (let round = 0; round < rounds; round++) {
    for (const way of waysInto(stage, subject).inside)
      expect(await answersFrom(stage.pods.b, way)).toEqual(["ECONNREFUSED"]);
  }
}
