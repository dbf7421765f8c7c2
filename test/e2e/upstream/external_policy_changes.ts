import { expect, it } from "vitest";
import { attempt } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import { isClosed } from "./closed.ts";
import { closesHealthCheck, hasHealth } from "./health_check_node_port.ts";
import type { Stage } from "./stage.ts";
import { Subject } from "./subject.ts";
import type { Zones } from "./zones.ts";

/** Of those that are given on request alone. */
const healthCheckNodePort = 30_074;

/** What the external traffic policy decides, as it changes: test/e2e/network/service.go. */
export function externalPolicyChanges(stage: () => Stage, zones: () => Zones): void {
  it("[sig-network] Services should implement NodePort and HealthCheckNodePort correctly when ExternalTrafficPolicy changes (KP-14, KP-21, KP-40)", () =>
    changePolicy(stage(), zones()));
}

/** The endpoint is on a, whoever asks on b with hostNetwork, and neither of them on c. */
async function changePolicy(stage: Stage, { nodes: { a, b, c } }: Zones): Promise<void> {
  const from = stage.hostPods.b;
  const local = { externalTrafficPolicy: "Local", healthCheckNodePort };
  const subject = await Subject.forTest(stage, "external-local-update", {
    type: "LoadBalancer",
    ...local,
  });
  const [pod = ""] = subject.podNames;

  const isLocal = async () => {
    await hasHealth(from, a, healthCheckNodePort, 200);
    await hasHealth(from, b, healthCheckNodePort, 503);
    await hasHealth(from, c, healthCheckNodePort, 503);
    for (const node of [a, b]) {
      const ways = subject.nodePortWays(node);
      await reaches(from, ways, pod);
      const seen = await Promise.all(ways.map((way) => attempt(from, way)));
      expect(seen.flat()).toMatchObject([{ client: b.ip4 }, { client: b.ip6 }]);
    }
    await isClosed(from, subject.nodePortWays(c));
  };

  await isLocal();
  await subject.update({ externalTrafficPolicy: "Cluster" });
  expect(subject.spec.healthCheckNodePort).toBeUndefined();
  for (const node of [a, b, c]) {
    await closesHealthCheck(from, node, healthCheckNodePort);
    await reaches(from, subject.nodePortWays(node), pod);
  }
  await subject.update(local);
  await isLocal();
}
