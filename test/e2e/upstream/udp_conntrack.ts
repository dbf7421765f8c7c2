import type { V1Service } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { ClusterPod, type ClusterPodSpec } from "../../harness/cluster_pod.ts";
import type { Target } from "../../harness/load.ts";
import type { TestNode } from "../../harness/node.ts";
import { serve } from "../../harness/serve.ts";
import type { Scenes } from "./stage.ts";
import { UdpFlows } from "./udp_flows.ts";

const port = { name: "udp", protocol: "UDP", port: 80, targetPort: 80 };

/** Upstream's tests of UDP flows whose server goes; clients are on node "a". */
export const udpConntrack: Scenes = (stage) => {
  const createService = (name: string, spec: V1Service["spec"] = {}): Promise<V1Service> =>
    stage().cluster.api.createService(name, {
      selector: { app: name },
      ports: [port],
      ipFamilyPolicy: "RequireDualStack",
      ...spec,
    });

  const startServer = (
    app: string,
    name: string,
    node: TestNode,
    spec: Partial<ClusterPodSpec> = {},
  ): Promise<ClusterPod> => {
    const ports = [{ port: 80, protocol: "UDP" }] as const;
    return ClusterPod.start(stage().cluster.api, node, {
      ...{ name, labels: { app }, ports },
      ...spec,
    });
  };

  const clusterIPs = ({ spec }: V1Service): readonly Target[] =>
    (spec?.clusterIPs ?? []).map((address) => ({ protocol: "udp", address, port: 80 }));

  /** At node "b", which upstream's servers are on. */
  const nodePorts = ({ spec }: V1Service): readonly Target[] => {
    const { ip4, ip6 } = stage().nodes.b;
    const nodePort = spec?.ports?.[0]?.nodePort ?? 0;
    return [ip4, ip6].map((address) => ({ protocol: "udp", address, port: nodePort }));
  };

  /** The flows begin without a server, get a first one, and then a second one in its place. */
  async function cycle(app: string, flows: readonly UdpFlows[]): Promise<void> {
    const { b } = stage().nodes;
    for (const flow of flows) expect((await flow.goOn()).filter(({ ok }) => ok)).toEqual([]);
    const first = await startServer(app, `${app}-1`, b);
    for (const flow of flows) await flow.moveTo(`${app}-1`);
    await startServer(app, `${app}-2`, b);
    await first.terminate();
    await first.remove();
    for (const flow of flows) await flow.moveTo(`${app}-2`);
  }

  describe("UDP flows", () => {
    it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a NodePort service (KP-70, PF-24)", async () => {
      const { pods, outside } = stage();
      const service = await createService("udp-nodeport", { type: "NodePort" });
      await using fromPod = await UdpFlows.start(pods.a, nodePorts(service));
      await using fromOutside = await UdpFlows.start(outside, nodePorts(service));
      await cycle("udp-nodeport", [fromPod, fromOutside]);
    });

    it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a ClusterIP service (KP-70, PF-20)", async () => {
      const service = await createService("udp-clusterip");
      await using flows = await UdpFlows.start(stage().pods.a, clusterIPs(service));
      await cycle("udp-clusterip", [flows]);
    });

    it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a ClusterIP service with InternalTrafficPolicy set to Local (KP-10, KP-70)", async () => {
      const { pods, nodes } = stage();
      const service = await createService("udp-local", { internalTrafficPolicy: "Local" });
      await using flows = await UdpFlows.start(pods.a, clusterIPs(service));
      const first = await startServer("udp-local", "udp-local-a1", nodes.a);
      await startServer("udp-local", "udp-local-b", nodes.b);
      await flows.moveTo("udp-local-a1");
      await first.terminate();
      await first.remove();
      await startServer("udp-local", "udp-local-a2", nodes.a);
      await flows.moveTo("udp-local-a2");
      expect(flows.backends).toEqual(new Set(["udp-local-a1", "udp-local-a2"]));
    });

    it("[sig-network] Conntrack should be able to preserve UDP traffic when server pod cycles for a ClusterIP service and client is hostNetwork (KP-70, PF-20)", async () => {
      const service = await createService("udp-host");
      await using flows = await UdpFlows.start(stage().hostPods.a, clusterIPs(service));
      await cycle("udp-host", [flows]);
    });

    it("[sig-network] Conntrack should be able to preserve UDP traffic when initial unready endpoints get ready (KP-12, KP-70)", async () => {
      const { cluster, pods, nodes } = stage();
      const service = await createService("udp-unready");
      await using flows = await UdpFlows.start(pods.a, clusterIPs(service));
      const server = await startServer("udp-unready", "udp-unready", nodes.b, { ready: false });
      await cluster.api.waitForEndpoints("udp-unready", (endpoints) => endpoints.length === 2, {
        deadlineMs: 20_000,
        describe: "the unready pod to be an endpoint of both families",
      });
      expect((await flows.goOn()).filter(({ ok }) => ok)).toEqual([]);
      await server.setReady(true);
      await flows.moveTo("udp-unready");
    });

    it("[sig-network] Conntrack should be able to cleanup conntrack entries when UDP service target port changes for a NodePort service (KP-34, KP-70)", async () => {
      const { cluster, pods, nodes, outside } = stage();
      const spec = { type: "NodePort", ports: [{ ...port, targetPort: 8080 }] };
      const service = await createService("udp-ports", spec);
      await using toNode = await UdpFlows.start(pods.a, nodePorts(service));
      await using toClusterIP = await UdpFlows.start(pods.b, clusterIPs(service));
      await using fromOutside = await UdpFlows.start(outside, nodePorts(service));
      const flows = [toNode, toClusterIP, fromOutside];

      const { pod } = await startServer("udp-ports", "udp-ports", nodes.b, { ports: [] });
      for (const targetPort of [8080, 9090]) {
        const start = pod.start.bind(pod);
        await serve({ name: `from-${targetPort}`, start }, { udp: [targetPort] });
      }
      for (const flow of flows) await flow.moveTo("from-8080");
      const [{ nodePort } = {}] = service.spec?.ports ?? [];
      const ports = [{ ...port, targetPort: 9090, nodePort }];
      await cluster.api.patchService("udp-ports", { spec: { ports } });
      for (const flow of flows) await flow.moveTo("from-9090");
    });
  });
};
