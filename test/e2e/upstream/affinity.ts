import { it } from "vitest";
import type { Site, Target } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import { forgets, remembers } from "./affinity_timeout.ts";
import { keepsToOne } from "./kept_affinity.ts";
import { insiders, isPublished, waysInto } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Session affinity of Services with three pods: that it holds, is switched, and ends in time. */
export const affinity: Scenes = (stage) => {
  it("[sig-network] Services should have session affinity work for service with type clusterIP [LinuxOnly] [Conformance] (KP-28)", () =>
    holds(stage(), "affinity-clusterip", "ClusterIP"));
  it("[sig-network] Services should have session affinity timeout work for service with type clusterIP [LinuxOnly] (KP-28)", () =>
    timesOut(stage(), "affinity-clusterip-timeout", "ClusterIP"));
  it("[sig-network] Services should be able to switch session affinity for service with type clusterIP [LinuxOnly] [Conformance] (KP-28, KP-34)", () =>
    isSwitched(stage(), "affinity-clusterip-transition", "ClusterIP"));
  it("[sig-network] Services should have session affinity work for NodePort service [LinuxOnly] [Conformance] (KP-28)", () =>
    holds(stage(), "affinity-nodeport", "NodePort"));
  it("[sig-network] Services should have session affinity timeout work for NodePort service [LinuxOnly] (KP-28)", () =>
    timesOut(stage(), "affinity-nodeport-timeout", "NodePort"));
  it("[sig-network] Services should be able to switch session affinity for NodePort service [LinuxOnly] [Conformance] (KP-28, KP-34)", () =>
    isSwitched(stage(), "affinity-nodeport-transition", "NodePort"));
};

type Type = "ClusterIP" | "NodePort";

const three = { replicas: 3 };

async function holds(stage: Stage, name: string, type: Type): Promise<void> {
  const spec = { type, sessionAffinity: "ClientIP" };
  const subject = await Subject.forTest(stage, name, spec, three);
  await keepAllToOne(stage, subject);
}

async function isSwitched(stage: Stage, name: string, type: Type): Promise<void> {
  const spec = { type, sessionAffinity: "ClientIP" };
  const subject = await Subject.forTest(stage, name, spec, three);
  await keepAllToOne(stage, subject);
  await subject.update({ sessionAffinity: "None" });
  await eachClient(stage, subject, (client, way) => reaches(client, [way], ...subject.podNames));
  await subject.update({ sessionAffinity: "ClientIP" });
  await keepAllToOne(stage, subject);
}

/** Upstream waits for 125 s. */
const timeoutSeconds = 1;

async function timesOut(stage: Stage, name: string, type: Type): Promise<void> {
  const sessionAffinityConfig = { clientIP: { timeoutSeconds } };
  const spec = { type, sessionAffinity: "ClientIP", sessionAffinityConfig };
  const subject = await Subject.forTest(stage, name, spec, three);
  await isPublished(stage, name, 3);
  const { pods, nodes, outside } = stage;
  // One way for each client and family: another one would refresh what is remembered for both.
  const ways = type === "ClusterIP" ? subject.ways() : subject.nodePortWays(nodes.a);
  const clients = type === "ClusterIP" ? [pods.a, pods.b] : [pods.b, outside];
  const each = clients.flatMap((client) => ways.map((way) => [client, way] as const));
  await Promise.all(each.map(([client, way]) => remembers(client, way, timeoutSeconds)));
  await Promise.all(each.map(([client, way]) => forgets(client, way, timeoutSeconds)));
}

async function keepAllToOne(stage: Stage, subject: Subject): Promise<void> {
  // One pod alone would look like affinity.
  await isPublished(stage, subject.name, 3);
  await eachClient(stage, subject, (client, way) => keepsToOne(client, way, subject.podNames));
}

/** All clients at once, and each of them one way after the other. */
async function eachClient(
  stage: Stage,
  subject: Subject,
  act: (client: Site, way: Target) => Promise<unknown>,
): Promise<void> {
  const { inside, outside } = waysInto(stage, subject);
  const inTurn = async (client: Site, ways: readonly Target[]) => {
    for (const way of ways) await act(client, way);
  };
  await Promise.all([
    ...insiders(stage).map((client) => inTurn(client, inside)),
    inTurn(stage.outside, outside),
  ]);
}
