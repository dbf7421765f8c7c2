import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytes, sha256 } from "../harness/bytes.ts";
import { attempt, type LoadOptions } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { authorityOf, download, serveHttp, upload } from "../harness/transfer.ts";
import {
  addressesOf,
  exposed,
  type Family,
  families,
  NorthSouth,
  protocols,
  shapes,
} from "./north_south.ts";

const nodeNames = ["a", "b", "c"] as const;

describe.each(shapes)("a pod out of reach of the socket hooks, $shape", (options) => {
  let stage: NorthSouth;
  let client: TestPod;

  beforeAll(async () => {
    stage = await NorthSouth.start(options);
    client = await stage.nodes.a.makePod("client", { sandboxed: true });
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  /** Every address of Service number `n`, and its NodePort. */
  const placesOf = (n: number, family: Family) => [
    ...Object.values(addressesOf(n, family)).map((address) => ({ address, port: 80 })),
    { address: stage.nodes.a[family], port: 30_000 + n },
  ];

  /** Backend and client as the backend saw it, or the errno, of each protocol at each address. */
  async function ask(
    from: TestPod,
    places: readonly { readonly address: string; readonly port: number }[],
    options: LoadOptions = {},
  ): Promise<readonly string[]> {
    const ways = places.flatMap((place) => protocols.map((protocol) => ({ protocol, ...place })));
    const outcomes = await Promise.all(ways.map((to) => attempt(from, to, options)));
    return outcomes.map(([first]) =>
      first?.ok ? `${first.backend} saw ${first.client}` : `${first?.errno}`,
    );
  }

  const repeated = (count: number, outcome: string) => Array.from({ length: count }, () => outcome);

  for (const [index, node] of nodeNames.entries()) {
    it(`reaches a pod on node ${node} by every address, with its own (KP-20, PF-43)`, async () => {
      const pod = await stage.pod(stage.nodes[node], `web-${node}`);
      const n = 1 + index;
      await stage.publish(exposed(node, n, { endpoints: [{ pod, nodeName: node }] }));
      for (const family of families) {
        const places = placesOf(n, family);
        expect(await ask(client, places)).toEqual(repeated(8, `web-${node} saw ${client[family]}`));
      }
    });
  }

  it("reaches endpoints elsewhere although the external policy is Local (KP-14)", async () => {
    const pod = await stage.pod(stage.nodes.b, "elsewhere");
    const endpoints = [{ pod, nodeName: "b" }];
    await stage.publish(exposed("elsewhere", 4, { endpoints, externalTrafficPolicy: "Local" }));
    for (const family of families) {
      const places = placesOf(4, family);
      expect(await ask(client, places)).toEqual(repeated(8, `elsewhere saw ${client[family]}`));
    }
  });

  it("reaches itself through its own Service (KP-29)", async () => {
    const own = await stage.nodes.a.makePod("own", { sandboxed: true });
    await own.serve({ tcp: [8080], udp: [8080] });
    await stage.publish(exposed("own", 5, { endpoints: [{ pod: own, nodeName: "a" }] }));
    for (const family of families) {
      const outcomes = await ask(own, placesOf(5, family));
      expect(outcomes.map((each) => each.split(" ")[0])).toEqual(repeated(8, "own"));
    }
  });

  it("is refused where nothing serves: no endpoint, no such port (KP-14, KP-31)", async () => {
    await stage.publish(exposed("empty", 6, { endpoints: [] }));
    for (const family of families) {
      const empty = placesOf(6, family);
      expect(await ask(client, empty)).toEqual(repeated(8, "ECONNREFUSED"));
      const unserved = Object.values(addressesOf(6, family)).map((address) => ({
        address,
        port: 81,
      }));
      expect(await ask(client, unserved)).toEqual(repeated(6, "ECONNREFUSED"));
    }
  });

  it("is held to the source ranges of a balancer's address (KP-24)", async () => {
    const pod = await stage.pod(stage.nodes.a, "ranged");
    const endpoints = [{ pod, nodeName: "a" }];
    const sourceRanges = ["192.168.0.0/16", "fd00:192:168::/48"];
    await stage.publish(exposed("ranged", 7, { endpoints, sourceRanges }));
    for (const family of families) {
      const [, balancer, external] = placesOf(7, family);
      expect(await ask(client, [balancer!], { timeoutMs: 300 })).toEqual(repeated(2, "ETIMEDOUT"));
      expect(await ask(client, [external!])).toEqual(repeated(2, `ranged saw ${client[family]}`));
    }
  });

  it("gets large transfers through an overlay of 1,280 bytes, both ways (PF-29)", async () => {
    const length = 4 * 1024 * 1024;
    const expected = await sha256(bytes(length));
    const pod = await stage.nodes.c.makePod("large");
    await serveHttp(pod, 8080);
    await stage.publish(exposed("large", 8, { endpoints: [{ pod, nodeName: "c" }] }));
    for (const family of families) {
      const authority = authorityOf(addressesOf(8, family).cluster, 80);
      expect(await upload(client, authority, length)).toBe(expected);
      expect(await download(client, authority, length)).toBe(expected);
    }
  });
});
