import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytes, sha256 } from "../harness/bytes.ts";
import { attempt } from "../harness/load.ts";
import { forgetPaths, ip } from "../harness/netns.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { authorityOf, download, serveHttp, upload } from "../harness/transfer.ts";
import { joinByTunnel, tunnelEnd } from "../harness/tunnel.ts";
import {
  addressesOf,
  exposed,
  type Family,
  families,
  NorthSouth,
  protocols,
  shapes,
} from "./north_south.ts";

describe.each(shapes)("a tunnel without link-layer headers, $shape", (options) => {
  const length = 4 * 1024 * 1024;
  let stage: NorthSouth;
  let peer: TestNode;
  let near: TestPod;
  let expected: string;

  beforeAll(async () => {
    stage = await NorthSouth.prepare(options);
    peer = await stage.network.makeNode("e");
    await joinByTunnel(stage.nodes.a, peer);
    await stage.startAgents(options);
    const far = await stage.pod(peer, "far", { udp: [8080] });
    near = await stage.pod(stage.nodes.a, "near", { udp: [8080] });
    for (const pod of [far, near]) await serveHttp(pod, 8080);
    await stage.publish(exposed("far", 1, { endpoints: [{ pod: far, nodeName: "e" }] }));
    await stage.publish(exposed("near", 2, { endpoints: [{ pod: near, nodeName: "a" }] }));
    await ip(
      ["route add 203.0.113.0/24 dev tun0", "route add 2001:db8:113::/64 dev tun0"],
      peer.netns,
    );
    expected = await sha256(bytes(length));
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  const vip = (n: number, family: Family): string => addressesOf(n, family).balancer;

  it("leads to pods behind it, which see the address of its device (KP-21)", async () => {
    for (const family of families) {
      const to = { protocol: "udp", address: stage.nodes.a[family], port: 30_001 } as const;
      expect(await attempt(stage.client, to)).toMatchObject([
        { ok: true, backend: "far", client: tunnelEnd(stage.nodes.a)[family] },
      ]);
      const authority = authorityOf(vip(1, family), 80);
      expect(await upload(stage.client, authority, length)).toBe(expected);
      await forgetPaths(stage.client.netns);
      expect(await download(stage.client, authority, length)).toBe(expected);
    }
  });

  it("brings traffic from outside to pods on the node, which see its sender (KP-21)", async () => {
    for (const family of families) {
      const to = { protocol: "udp", address: vip(2, family), port: 80 } as const;
      expect(await attempt(peer, to)).toMatchObject([
        { ok: true, backend: "near", client: tunnelEnd(peer)[family] },
      ]);
      const authority = authorityOf(vip(2, family), 80);
      expect(await upload(peer, authority, length)).toBe(expected);
      expect(await download(peer, authority, length)).toBe(expected);
    }
  });

  it("leads pods that bypass the socket to pods behind it, with their own address (PF-43)", async () => {
    const client = await stage.nodes.a.makePod("client", { sandboxed: true });
    for (const family of families) {
      const address = addressesOf(1, family).cluster;
      const to = { protocol: "udp", address, port: 80 } as const;
      expect(await attempt(client, to)).toMatchObject([
        { ok: true, backend: "far", client: client[family] },
      ]);
      expect(await upload(client, authorityOf(address, 80), length)).toBe(expected);
      expect(await download(client, authorityOf(address, 80), length)).toBe(expected);
    }
  });

  it("refuses what nobody serves (KP-31)", async () => {
    for (const family of families) {
      for (const protocol of protocols) {
        const [outcome] = await attempt(peer, { protocol, address: vip(2, family), port: 81 });
        expect(outcome).toMatchObject({ ok: false, errno: "ECONNREFUSED" });
      }
    }
  });
});
