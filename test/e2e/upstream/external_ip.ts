import { it } from "vitest";
import { isReachable } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Of documentation (RFC 5737, RFC 3849): on no device. */
const externalIPs = ["203.0.113.250", "2001:db8::cb00:71fa"];

export const externalIPOnNoNode: Scenes = (stage) => {
  it("[sig-network] Services should be possible to connect to a service via ExternalIP when the external IP is not assigned to a node (KP-23)", () =>
    connect(stage()));
};

async function connect(stage: Stage): Promise<void> {
  const { cluster, nodes } = stage;
  for (const address of externalIPs) await cluster.network.routeTo(address, nodes.a);
  const subject = await Subject.forTest(stage, "externalip-test", { externalIPs }, { replicas: 2 });
  await isReachable(stage, subject, subject.podNames);
}
