import { describe, it } from "vitest";
import { until } from "../../harness/until.ts";
import { reaches } from "../reach.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Zones in proportion to their CPUs: test/e2e/network/topology_hints.go. */
export const topologyHints: Scenes = (stage) => {
  describe("topology hints", () => {
    it("[sig-network] Topology Hints should distribute endpoints evenly (KP-05, KP-11)", () =>
      distributeEvenly(stage()));
  });
};

async function distributeEvenly(stage: Stage): Promise<void> {
  const { cluster, pods } = stage;
  const spec = { publishNotReadyAddresses: true };
  const subject = await Subject.forTest(stage, "topology-hints", spec, { replicas: 2 });
  const annotations = { "service.kubernetes.io/topology-mode": "Auto" };
  await cluster.api.patchService(subject.name, { metadata: { annotations } });
  await hasOwnZones(stage, subject.name, ["east", "east", "west", "west"]);

  const [east = "", west = ""] = subject.podNames;
  await reaches(pods.a, subject.ways(), east);
  await reaches(pods.b, subject.ways(), west);
}

/** Resolves once the endpoints are in these zones, each with a hint for its own and no other. */
async function hasOwnZones(stage: Stage, service: string, zones: readonly string[]): Promise<void> {
  let last: readonly string[] = [];
  await until(
    async () => {
      const { items } = await stage.cluster.api.discovery.listNamespacedEndpointSlice({
        namespace: "default",
        labelSelector: `kubernetes.io/service-name=${service}`,
      });
      const endpoints = items.flatMap((slice) => slice.endpoints ?? []);
      last = endpoints.map(({ zone, hints }) => {
        const hinted = (hints?.forZones ?? []).map(({ name }) => name).join();
        return hinted === zone ? hinted : `${zone} hinted ${hinted}`;
      });
      return last.toSorted().join() === zones.join();
    },
    { deadlineMs: 20_000, describe: () => `hints for ${zones}; there are ${last}` },
  );
}
