import { expect, it } from "vitest";
import { attempt } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import { isReachable, waysInto } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Pods seen with the address of their own, and pods that reach themselves. */
export const ownAddresses: Scenes = (stage) => {
  it("[sig-network] Services should preserve source pod IP for traffic thru service cluster IP [LinuxOnly] (KP-20)", () =>
    preserveSource(stage()));
  it("[sig-network] Services should allow pods to hairpin back to themselves through services (KP-29)", () =>
    hairpin(stage()));
};

async function preserveSource(stage: Stage): Promise<void> {
  const subject = await Subject.forTest(stage, "sourceip-test");
  await isReachable(stage, subject, subject.podNames);
  for (const client of Object.values(stage.pods)) {
    const ways = waysInto(stage, subject).inside;
    const [four, six] = await Promise.all(ways.map((way) => attempt(client, way)));
    expect(four).toMatchObject([{ ok: true, client: client.ip4 }]);
    expect(six).toMatchObject([{ ok: true, client: client.ip6 }]);
  }
}

async function hairpin(stage: Stage): Promise<void> {
  const subject = await Subject.forTest(stage, "hairpin-test");
  for (const { name, pod } of subject.pods.pods) {
    await reaches(pod, waysInto(stage, subject).inside, name);
  }
}
