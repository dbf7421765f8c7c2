import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { bytes, sha256 } from "../harness/bytes.ts";
import type { TestPod } from "../harness/pod.ts";
import { authorityOf, download, serveHttp, upload } from "../harness/transfer.ts";
import { exposed, type Family, families, NorthSouth } from "./north_south.ts";
import { type Offloads, setOffloads } from "./offloads.ts";

const places = [
  { node: "a", is: "on the node" },
  { node: "b", is: "on a routed node" },
  { node: "c", is: "behind VXLAN" },
] as const;
const megabytes = (count: number) => count * 1024 * 1024;

let stage: NorthSouth;
const pods: TestPod[] = [];

beforeAll(async () => {
  stage = await NorthSouth.start();
  for (const [place, { node }] of places.entries()) {
    const pod = await stage.nodes[node].makePod(`web-${node}`);
    pods.push(pod);
    await serveHttp(pod, 8080);
    await stage.publish(exposed(node, 1 + place, { endpoints: [{ pod, nodeName: node }] }));
  }
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const authority = (place: number, family: Family): string =>
  authorityOf(stage.nodes.a[family], 30_001 + place);

describe("a gigabyte arrives as it was sent", () => {
  const length = megabytes(512);
  let expected: string;

  beforeAll(async () => {
    expected = await sha256(bytes(length));
  });

  for (const place of [0, 1]) {
    for (const family of families) {
      it(`half of it to and half of it from a pod ${places[place]?.is}, by ${family}`, async () => {
        const started = performance.now();
        const server = authority(place, family);
        expect(await download(stage.client, server, length)).toBe(expected);
        expect(await upload(stage.client, server, length)).toBe(expected);
        const seconds = (performance.now() - started) / 1_000;
        console.log(`B1: 1 GB in ${seconds.toFixed(1)} s by ${family}, pod ${places[place]?.is}`);
      });
    }
  }
});

describe("whatever the devices do themselves", () => {
  const length = megabytes(4);
  const cases: readonly { readonly name: string; readonly off: Partial<Offloads> }[] = [
    { name: "checksums are computed by the ends", off: { ends: ["tx"] } },
    { name: "checksums are computed by the node's devices", off: { node: ["tx"] } },
    { name: "packets are split by the ends", off: { ends: ["gso", "tso", "gro"] } },
    { name: "packets are split by the node's devices", off: { node: ["gso", "tso", "gro"] } },
    {
      name: "nothing is left to any device",
      off: { ends: ["tx", "gso", "tso", "gro"], node: ["tx", "gso", "tso", "gro"] },
    },
  ];
  let expected: string;

  beforeAll(async () => {
    expected = await sha256(bytes(length));
  });

  it.each(cases)("all bytes arrive where $name", async ({ off }) => {
    const ends = [stage.client, ...pods];
    onTestFinished(await setOffloads({ ends, node: stage.nodes.a }, off));
    for (const place of places.keys()) {
      for (const family of families) {
        const server = authority(place, family);
        expect(await download(stage.client, server, length)).toBe(expected);
        expect(await upload(stage.client, server, length)).toBe(expected);
      }
    }
  });
});
