import type { V1ServiceSpec } from "@kubernetes/client-node";
import { expect, it } from "vitest";
import { isReachable, isRefused } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, tcp } from "./subject.ts";

/**
 * Services turned into names of others and back. What such a name stands for is the answer of the
 * cluster's DNS: here, that nothing answers at the addresses which the Service had, and all at those
 * of the Service which the name is of.
 */
export const types: Scenes = (stage) => {
  it("[sig-network] Services should be able to change the type from ExternalName to ClusterIP [Conformance] (KP-02, KP-34)", () =>
    fromExternalName(stage(), "ClusterIP"));
  it("[sig-network] Services should be able to change the type from ExternalName to NodePort [Conformance] (KP-02, KP-34)", () =>
    fromExternalName(stage(), "NodePort"));
  it("[sig-network] Services should be able to change the type from ClusterIP to ExternalName [Conformance] (KP-02, KP-34)", () =>
    toExternalName(stage(), "ClusterIP"));
  it("[sig-network] Services should be able to change the type from NodePort to ExternalName [Conformance] (KP-02, KP-34)", () =>
    toExternalName(stage(), "NodePort"));
};

type Type = "ClusterIP" | "NodePort";

async function fromExternalName(stage: Stage, type: Type): Promise<void> {
  const { api } = stage.cluster;
  const name = `externalname-to-${type.toLowerCase()}`;
  const selector = { app: name };
  const created = await api.createService(name, {
    type: "ExternalName",
    externalName: "foo.example.com",
    selector,
    ports: [tcp],
  });
  expect(created.spec?.clusterIP).toBeUndefined();

  const pods = await stage.cluster.deployment(name, { replicas: 2, ports: [{ port: 8080 }] });
  const spec = { type, externalName: null, ipFamilyPolicy: "RequireDualStack", ports: [tcp] };
  const changed = await api.patchService(name, { spec });
  await isReachable(
    stage,
    changed,
    pods.pods.map((each) => each.name),
  );
}

async function toExternalName(stage: Stage, type: Type): Promise<void> {
  const name = `${type.toLowerCase()}-to-externalname`;
  const spec: V1ServiceSpec = { type };
  const [subject, external] = await Promise.all([
    Subject.forTest(stage, name, spec),
    Subject.forTest(stage, `${name}-externalsvc`, {}, { replicas: 2 }),
  ]);
  const before = { spec: subject.spec };
  await isReachable(stage, before, subject.podNames);

  const externalName = `${external.name}.default.svc.cluster.local`;
  await subject.update({ type: "ExternalName", externalName });
  expect(subject.spec).not.toHaveProperty("clusterIP");
  expect(subject.port()).not.toHaveProperty("nodePort");
  await isRefused(stage, before);
  await isReachable(stage, external, external.podNames);
}
