import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Child } from "../harness/child.ts";
import { Cluster } from "../harness/cluster.ts";
import { startKubeProxy } from "../harness/kube_proxy.ts";
import { attempt } from "../harness/load.ts";
import { until } from "../harness/until.ts";

describe("the real kube-proxy on a node of the tests", () => {
  let cluster: Cluster;
  let proxy: Child;

  beforeAll(async () => {
    cluster = await Cluster.start();
    const a = await cluster.addNode("a");
    await cluster.addNode("b");
    proxy = await startKubeProxy(cluster.controlPlane, a, "nftables");
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it("translates a ClusterIP of both families for a pod of its node", async () => {
    const [a, b] = cluster.nodes;
    const service = await cluster.api.createService("web", {
      selector: { app: "web" },
      ports: [{ port: 80, targetPort: 8080 }],
      ipFamilyPolicy: "RequireDualStack",
    });
    await cluster.deployment("web", { replicas: 1, ports: [{ port: 8080 }], nodes: [b!] });
    const client = await a!.makePod("client");
    for (const address of service.spec?.clusterIPs ?? []) {
      const answered = await until(
        async () => {
          const [outcome] = await attempt(client, { protocol: "tcp", address, port: 80 });
          return outcome?.ok === true && outcome;
        },
        { deadlineMs: 30_000, describe: () => `an answer from ${address}; ${proxy.stderr}` },
      );
      const port = address.includes(":") ? `[${address}]:80` : `${address}:80`;
      expect(answered).toMatchObject({ backend: "web-0", peer: port });
    }
  });
});
