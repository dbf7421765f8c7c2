import { it, onTestFinished } from "vitest";
import { ClusterPod } from "../../harness/cluster_pod.ts";
import { isReachable, isRefused } from "./reachability.ts";
import type { Scenes } from "./stage.ts";
import { Subject, targetPort } from "./subject.ts";

/** Services without an endpoint: a client is told so, and need not wait. */
export const rejection: Scenes = (stage) => {
  it("[sig-network] Services should be rejected when no endpoints exist (KP-14)", async () => {
    await isRefused(stage(), await Subject.forTest(stage(), "no-pods", {}, { replicas: 0 }));
  });

  it("[sig-network] Services should be rejected for evicted pods (no endpoints exist) (KP-14)", async () => {
    const { cluster, nodes } = stage();
    const { api } = cluster;
    const spec = { publishNotReadyAddresses: true };
    const subject = await Subject.forTest(stage(), "evicted-pods", spec, { replicas: 0 });
    const pod = await ClusterPod.start(api, nodes.a, {
      name: "evicted-pod",
      labels: { app: subject.name },
      ports: [{ port: targetPort }],
    });
    onTestFinished(() => pod.remove());
    await isReachable(stage(), subject, [pod.name]);
    const lastTransitionTime = new Date();
    await api.patchPodStatus(pod.name, {
      phase: "Failed",
      reason: "Evicted",
      conditions: [{ type: "Ready", status: "False", reason: "PodFailed", lastTransitionTime }],
    });
    await api.waitForEndpoints(subject.name, (endpoints) => endpoints.length === 0, {
      deadlineMs: 20_000,
      describe: "the evicted pod to be no endpoint",
    });
    await isRefused(stage(), subject);
  });
};
