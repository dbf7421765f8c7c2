import type { V1ServiceSpec } from "@kubernetes/client-node";
import { expect, it } from "vitest";
import type { TestNode } from "../../harness/node.ts";
import { serve } from "../../harness/serve.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, type SubjectPods, udp } from "./subject.ts";
import { UdpFlows } from "./udp_flows.ts";

/** UDP flows whose server goes, while their client never stops to ask; it is on node "a". */
export const udpConntrack: Scenes = (stage) => {
  it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a NodePort service (KP-70, PF-24)", async () => {
    const { nodes, pods, outside } = stage();
    const subject = await start(stage(), "udp-nodeport", { type: "NodePort" });
    await using fromPod = await UdpFlows.start(pods.a, subject.nodePortWays(nodes.b));
    await using fromOutside = await UdpFlows.start(outside, subject.nodePortWays(nodes.b));
    await cycle(subject, [fromPod, fromOutside]);
  });

  it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a ClusterIP service (KP-70, PF-20)", async () => {
    const subject = await start(stage(), "udp-clusterip");
    await using flows = await UdpFlows.start(stage().pods.a, subject.ways());
    await cycle(subject, [flows]);
  });

  it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a ClusterIP service with InternalTrafficPolicy set to Local (KP-10, KP-70)", async () => {
    const { pods, nodes } = stage();
    const spec = { internalTrafficPolicy: "Local" };
    const subject = await start(stage(), "udp-local", spec, { nodes: [nodes.a, nodes.b] });
    await using flows = await UdpFlows.start(pods.a, subject.ways());
    await subject.pods.scale(2);
    await flows.moveTo("udp-local-0");
    await subject.pods.scale(1);
    await subject.pods.scale(2);
    await flows.moveTo("udp-local-2");
    // Number 1 is on the other node all the time.
    expect(flows.backends).toEqual(new Set(["udp-local-0", "udp-local-2"]));
  });

  it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a ClusterIP service and client is hostNetwork (KP-70, PF-20)", async () => {
    const subject = await start(stage(), "udp-host");
    await using flows = await UdpFlows.start(stage().hostPods.a, subject.ways());
    await cycle(subject, [flows]);
  });

  it("[sig-network] Conntrack should be able to preserve UDP traffic when initial unready endpoints get ready (KP-12, KP-70)", async () => {
    const { cluster, pods } = stage();
    const subject = await start(stage(), "udp-unready", {}, { ready: false });
    await using flows = await UdpFlows.start(pods.a, subject.ways());
    await subject.pods.scale(1);
    await cluster.api.waitForEndpoints(subject.name, (endpoints) => endpoints.length === 2, {
      deadlineMs: 20_000,
      describe: "the unready pod to be an endpoint of both families",
    });
    await areUnanswered(flows);
    for (const pod of subject.pods.pods) await pod.setReady(true);
    await flows.moveTo("udp-unready-0");
  });

  it("[sig-network] Conntrack should be able to cleanup conntrack entries when UDP service target port changes for a NodePort service (KP-34, KP-70)", async () => {
    const { nodes, pods, outside } = stage();
    const port = { ...udp, targetPort: 8080 };
    const spec = { type: "NodePort", ports: [port] };
    const subject = await start(stage(), "udp-ports", spec, { ports: [] });
    const ways = subject.nodePortWays(nodes.b);
    await using fromPod = await UdpFlows.start(pods.a, ways);
    await using fromOutside = await UdpFlows.start(outside, ways);
    await using toClusterIP = await UdpFlows.start(pods.b, subject.ways());
    const flows = [fromPod, fromOutside, toClusterIP];

    await subject.pods.scale(1);
    await serveApart(subject, [8080, 9090]);
    for (const flow of flows) await flow.moveTo("from-8080");
    const { nodePort } = subject.port();
    await subject.update({ ports: [{ ...port, nodePort, targetPort: 9090 }] });
    for (const flow of flows) await flow.moveTo("from-9090");
  });
};

/** Without a pod yet; those to come are on node "b", as upstream's. */
const start = (
  stage: Stage,
  name: string,
  spec: V1ServiceSpec = {},
  pods: SubjectPods = {},
): Promise<Subject> => {
  const nodes: readonly TestNode[] = [stage.nodes.b];
  return Subject.forTest(stage, name, { ports: [udp], ...spec }, { replicas: 0, nodes, ...pods });
};

const areUnanswered = async (flows: UdpFlows): Promise<void> => {
  expect((await flows.goOn()).filter(({ ok }) => ok)).toEqual([]);
};

/** The flows begin without a server, get a first one, and then a second one in its place. */
async function cycle(subject: Subject, flows: readonly UdpFlows[]): Promise<void> {
  for (const flow of flows) await areUnanswered(flow);
  await subject.pods.scale(1);
  for (const flow of flows) await flow.moveTo(`${subject.name}-0`);
  await subject.pods.scale(2);
  await subject.pods.scale(1);
  for (const flow of flows) await flow.moveTo(`${subject.name}-1`);
}

/** Each pod of a Service says at which of these ports it was asked. */
async function serveApart({ pods }: Subject, ports: readonly number[]): Promise<void> {
  for (const { pod } of pods.pods) {
    for (const port of ports) {
      await serve({ name: `from-${port}`, start: pod.start.bind(pod) }, { udp: [port] });
    }
  }
}
