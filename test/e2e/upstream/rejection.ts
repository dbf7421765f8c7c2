import type { V1Service } from "@kubernetes/client-node";
import { describe, it } from "vitest";
import { ClusterPod } from "../../harness/cluster_pod.ts";
import { reaches } from "../reach.ts";
import type { Scenes } from "./stage.ts";

const port = { name: "http", protocol: "TCP", port: 80, targetPort: 8080 } as const;

/** Upstream's tests of Services without an endpoint: a client is told so, and need not wait. */
export const rejection: Scenes = (stage) => {
  const createService = (name: string, spec: V1Service["spec"] = {}): Promise<V1Service> =>
    stage().cluster.api.createService(name, {
      selector: { app: name },
      ports: [port],
      ipFamilyPolicy: "RequireDualStack",
      ...spec,
    });

  /** Pods of both nodes, and their host networks. */
  const answers = async ({ spec }: V1Service, outcome: string): Promise<void> => {
    const { pods, hostPods } = stage();
    const addresses = spec?.clusterIPs ?? [];
    const ways = addresses.map((address) => ({ protocol: "tcp", address, port: 80 }) as const);
    for (const client of [pods.a, pods.b, hostPods.a]) await reaches(client, ways, outcome);
  };

  describe("Services without an endpoint", () => {
    it("[sig-network] Services should be rejected when no endpoints exist (KP-14)", async () => {
      await answers(await createService("no-pods"), "ECONNREFUSED");
    });

    it("[sig-network] Services should be rejected for evicted pods (no endpoints exist) (KP-14)", async () => {
      const { cluster, nodes } = stage();
      const service = await createService("evicted-pods", { publishNotReadyAddresses: true });
      const { pod } = await ClusterPod.start(cluster.api, nodes.a, {
        name: "evicted-pod",
        labels: { app: "evicted-pods" },
        ports: [{ port: 8080 }],
      });
      await cluster.api.waitForReady("evicted-pods", [pod.ip4, pod.ip6]);
      await answers(service, "evicted-pod");
      await cluster.api.patchPodStatus("evicted-pod", {
        phase: "Failed",
        reason: "Evicted",
        message: "The node was low on resource: ephemeral-storage.",
        conditions: [
          {
            type: "Ready",
            status: "False",
            reason: "PodFailed",
            lastTransitionTime: new Date(),
          },
        ],
      });
      await cluster.api.waitForEndpoints("evicted-pods", (endpoints) => endpoints.length === 0, {
        deadlineMs: 20_000,
        describe: "the evicted pod to be no endpoint",
      });
      await answers(service, "ECONNREFUSED");
    });
  });
};
