import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attempt, type Target } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import {
  addressesOf,
  exposed,
  type Family,
  families,
  NorthSouth,
  protocols,
  shapes,
} from "./north_south.ts";

/** A node by its letter, and how its pods see a client whose address is replaced. */
const places = [
  { node: "a", is: "on the node", seen: { ip4: "192.168.1.2", ip6: "fd00:192:168:1::2" } },
  { node: "b", is: "on a routed node", seen: { ip4: "172.30.0.1", ip6: "fd00:172:30::1" } },
  { node: "c", is: "behind VXLAN", seen: { ip4: "10.244.1.0", ip6: "fd00:10:244:1::" } },
] as const;

/** Every way from outside to Service `n` by way of a node. */
const waysTo = (n: number, node: TestNode, family: Family): readonly Target[] => {
  const { balancer, external } = addressesOf(n, family);
  return protocols.flatMap((protocol) => [
    { protocol, address: node[family], port: 30_000 + n },
    { protocol, address: balancer, port: 80 },
    { protocol, address: external, port: 80 },
  ]);
};

describe.each(shapes)("a client outside, $shape", (options) => {
  let stage: NorthSouth;
  const pods: TestPod[] = [];

  beforeAll(async () => {
    stage = await NorthSouth.start(options);
    for (const [index, { node }] of places.entries()) {
      const pod = await stage.pod(stage.nodes[node], `web-${node}`);
      pods.push(pod);
      const endpoints = [{ pod, nodeName: node }];
      for (const [at, externalTrafficPolicy] of (["Cluster", "Local"] as const).entries()) {
        const name = `${node}-${externalTrafficPolicy.toLowerCase()}`;
        await stage.publish(
          exposed(name, 1 + 2 * index + at, { endpoints, externalTrafficPolicy }),
        );
      }
    }
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  for (const [index, { node, is, seen }] of places.entries()) {
    it(`reaches a pod ${is} by NodePort, VIP and externalIP (KP-21, KP-22, KP-23, KP-25)`, async () => {
      for (const family of families) {
        for (const to of waysTo(1 + 2 * index, stage.nodes.a, family)) {
          const [outcome] = await attempt(stage.client, to);
          const peer = to.address.includes(":") ? `[${to.address}]:${to.port}` : undefined;
          expect(outcome, JSON.stringify(to)).toMatchObject({
            ok: true,
            backend: `web-${node}`,
            client: seen[family],
            peer: peer ?? `${to.address}:${to.port}`,
          });
        }
      }
    });
  }

  it("reaches a pod straight from the port that it just had at a NodePort (PF-26)", async () => {
    for (const family of families) {
      const nodePort = { address: stage.nodes.a[family], port: 30_001 };
      const straight = { address: pods[0]?.[family] ?? "", port: 8080 };
      for (const protocol of protocols) {
        for (const to of [nodePort, straight, nodePort]) {
          const target = { protocol, ...to };
          const outcomes = await attempt(stage.client, target, { sourcePort: 45_001 });
          expect(outcomes, JSON.stringify(target)).toMatchObject([{ ok: true, backend: "web-a" }]);
        }
      }
    }
  });

  it("keeps its address under externalTrafficPolicy Local (KP-21)", async () => {
    for (const family of families) {
      for (const to of waysTo(2, stage.nodes.a, family)) {
        const [outcome] = await attempt(stage.client, to);
        expect(outcome, JSON.stringify(to)).toMatchObject({
          ok: true,
          backend: "web-a",
          client: stage.client[family],
        });
      }
    }
  });

  it("gets no answer under Local where no endpoint is on the node (KP-14)", async () => {
    const ways = families.flatMap((family) => [
      ...waysTo(4, stage.nodes.a, family),
      ...waysTo(6, stage.nodes.a, family),
    ]);
    const outcomes = await Promise.all(
      ways.map((to) => attempt(stage.client, to, { timeoutMs: 300 })),
    );
    expect(outcomes.flat().map((each) => (each.ok ? each.backend : each.errno))).toEqual(
      ways.map(() => "ETIMEDOUT"),
    );
  });
});
