import { NetworkingV1Api } from "@kubernetes/client-node";
import { it, onTestFinished } from "vitest";
import { isReachable } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Of documentation (RFC 5737, RFC 3849), and led to no balancer. */
const cidrs = ["198.51.100.0/24", "2001:db8:cb00::/64"];
const clusterIP = "198.51.100.10";
const clusterIPs = [clusterIP, "2001:db8:cb00::a"];

export const serviceCidrs: Scenes = (stage) => {
  it("[sig-network] Service CIDRs should create Services and serve on different Service CIDRs (KP-20, KP-31)", () =>
    serve(stage()));
};

async function serve(stage: Stage): Promise<void> {
  const networking = stage.cluster.api.config.makeApiClient(NetworkingV1Api);
  const body = { metadata: { name: "test-svc-cidr" }, spec: { cidrs } };
  await networking.createServiceCIDR({ body });
  onTestFinished(() => networking.deleteServiceCIDR({ name: "test-svc-cidr" }).then(() => {}));
  const spec = { type: "NodePort", clusterIP, clusterIPs };
  const subject = await Subject.forTest(stage, "cidr1-test", spec, { replicas: 2 });
  await isReachable(stage, subject, subject.podNames);
}
