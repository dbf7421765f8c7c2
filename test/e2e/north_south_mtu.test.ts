import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytes, sha256 } from "../harness/bytes.ts";
import type { TestClient } from "../harness/client.ts";
import { attempt } from "../harness/load.ts";
import { forgetPaths, pathMtu } from "../harness/netns.ts";
import type { TestPod } from "../harness/pod.ts";
import { authorityOf, download, serveHttp, upload } from "../harness/transfer.ts";
import { addressesOf, exposed, type Family, families, NorthSouth, shapes } from "./north_south.ts";

const nodeNames = ["a", "b", "c", "d"] as const;

const narrowPaths = [
  { client: "narrow", node: "a", is: "before the client, pod on the node" },
  { client: "narrow", node: "b", is: "before the client, pod on a routed node" },
  { client: "narrow", node: "c", is: "before the client, pod behind VXLAN" },
  { client: "wide", node: "c", is: "at the node's VXLAN device" },
  { client: "wide", node: "d", is: "between the node and the pod's" },
  { client: "narrow", node: "d", is: "before the client and before the pod's node" },
] as const;

describe.each(shapes)("a hop of 1,280 bytes, $shape", (options) => {
  const length = 4 * 1024 * 1024;
  let stage: NorthSouth;
  let clients: Readonly<Record<"wide" | "narrow", TestClient>>;
  let pods: Readonly<Record<string, TestPod>>;
  let expected: string;

  beforeAll(async () => {
    stage = await NorthSouth.start(options);
    const narrow = await stage.network.makeClient("narrow", { narrow: true });
    clients = { wide: stage.client, narrow };
    expected = await sha256(bytes(length));
    const made: Record<string, TestPod> = {};
    for (const [index, node] of nodeNames.entries()) {
      const pod = await stage.pod(stage.nodes[node], `web-${node}`, { udp: [8080] });
      await serveHttp(pod, 8080);
      made[node] = pod;
      await stage.publish(exposed(node, 1 + index, { endpoints: [{ pod, nodeName: node }] }));
    }
    pods = made;
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  const vip = (node: (typeof nodeNames)[number], family: Family): string =>
    addressesOf(1 + nodeNames.indexOf(node), family).balancer;

  /** What one end learns it tells the other, which then has nothing left to learn. */
  const forget = async (client: TestClient, pod: TestPod) => {
    for (const { netns } of [client, pod]) await forgetPaths(netns);
  };

  for (const { client: name, node, is } of narrowPaths) {
    it(`lets large transfers through, to the pod and from it: ${is} (PF-29)`, async () => {
      const client = clients[name];
      const pod = pods[node]!;
      for (const family of families) {
        const address = vip(node, family);
        const authority = authorityOf(address, 80);
        await forget(client, pod);
        expect(await upload(client, authority, length)).toBe(expected);
        expect(await pathMtu(client.netns, address)).toBe(1280);
        await forget(client, pod);
        expect(await download(client, authority, length)).toBe(expected);
        const seen = node === "a" ? client[family] : stage.nodes.a[family];
        if (node !== "c") expect(await pathMtu(pod.netns, seen)).toBe(1280);
      }
    });
  }

  for (const node of nodeNames) {
    it(`answers a datagram of 8 KB in fragments, pod on node ${node} (PF-29)`, async () => {
      for (const family of families) {
        const to = {
          protocol: "udp",
          address: stage.nodes.a[family],
          port: 30_001 + nodeNames.indexOf(node),
        } as const;
        // Only an IPv4 router fragments for others; who is told instead has lost a datagram by then.
        const options = { size: 8_000, count: 5, timeoutMs: 500 };
        const attempts = await attempt(stage.client, to, options);
        const lost = attempts.filter(({ ok }) => !ok).length;
        expect(attempts.at(-1), JSON.stringify(attempts)).toMatchObject({
          ok: true,
          backend: `web-${node}`,
        });
        const isTold = node === "c" || (node === "d" && family === "ip6");
        expect(lost).toBeLessThanOrEqual(isTold ? 2 : 0);
      }
    });
  }
});
