import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { bytes, sha256 } from "../harness/bytes.ts";
import type { Finished } from "../harness/child.ts";
import type { TestPod } from "../harness/pod.ts";
import { authorityOf, download, serveHttp, upload } from "../harness/transfer.ts";
import { exposed, NorthSouth } from "./north_south.ts";
import { type Offloads, setOffloads } from "./offloads.ts";

const families = ["ip4", "ip6"] as const;
const places = [
  { node: "a", is: "on the node" },
  { node: "b", is: "on a routed node" },
  { node: "c", is: "behind VXLAN" },
] as const;
const dnsServer = join(import.meta.dirname, "../harness/dns_server.ts");
const megabytes = (count: number) => count * 1024 * 1024;

/** Service n of a place is at NodePort 30000 + n; what it serves is the first digit. */
const http = (place: number) => 30_010 + place;
const iperf = (place: number) => 30_020 + place;
const dns = (place: number) => 30_030 + place;

let stage: NorthSouth;
const pods: TestPod[] = [];

beforeAll(async () => {
  stage = await NorthSouth.start();
  for (const [place, { node }] of places.entries()) {
    const pod = await stage.nodes[node].makePod(`web-${node}`);
    pods.push(pod);
    await Promise.all([
      serveHttp(pod, 8080),
      pod.start(process.execPath, [dnsServer, "5353"]).printed("ready"),
      pod.start("iperf3", ["-s", "-p", "5201", "--forceflush"]).printed("listening"),
    ]);
    await publish(`http-${node}`, http(place), 8080, pod, node);
    await publish(`iperf-${node}`, iperf(place), 5201, pod, node);
    await publish(`dns-${node}`, dns(place), 5353, pod, node);
  }
});
afterAll(() => stage?.[Symbol.asyncDispose]());

async function publish(
  name: string,
  nodePort: number,
  targetPort: number,
  pod: TestPod,
  nodeName: string,
): Promise<void> {
  const { ports, ...rest } = exposed(name, nodePort - 30_000, { endpoints: [{ pod, nodeName }] });
  await stage.publish({ ...rest, ports: ports.map((port) => ({ ...port, targetPort })) });
}

/** Runs a command at the client, which has to succeed. */
async function run(command: string, ...args: readonly string[]): Promise<string> {
  const finished: Finished = await stage.client.run(command, args);
  expect(finished, `${command} ${args.join(" ")}`).toMatchObject({ code: 0 });
  return finished.stdout;
}

describe.each(places.map((each, place) => ({ ...each, place })))(
  "by a pod $is",
  ({ node, place }) => {
    it("curl is answered over IPv4 and IPv6", async () => {
      for (const family of families) {
        const url = `http://${authorityOf(stage.nodes.a[family], http(place))}/64`;
        const head = await run(
          "curl",
          "-sS",
          "--max-time",
          "10",
          "-D",
          "-",
          "-o",
          "/dev/null",
          url,
        );
        expect(head).toMatch(/^HTTP\/1.1 200 OK/);
        expect(head).toContain(`x-backend: web-${node}\r\n`);
      }
    });

    it("dig is answered over UDP and TCP", async () => {
      for (const family of families) {
        const at = [`@${stage.nodes.a[family]}`, "-p", `${dns(place)}`, "+short", "+tries=1"];
        for (const over of ["+notcp", "+tcp"]) {
          expect(await run("dig", ...at, over, "www.example.com", "A")).toBe("192.0.2.53\n");
        }
      }
    });

    it("iperf3 gets its bytes through over TCP, both ways", async () => {
      for (const family of families) {
        const at = ["-c", stage.nodes.a[family], "-p", `${iperf(place)}`, "-J"];
        for (const direction of [[], ["-R"]]) {
          const flags = ["-n", "64M", "-C", "reno", ...direction];
          const { end } = JSON.parse(await run("iperf3", ...at, ...flags));
          expect(end.sum_received.bytes).toBeGreaterThan(megabytes(32));
        }
      }
    });

    it("iperf3 gets its datagrams through over UDP", async () => {
      for (const family of families) {
        const at = ["-c", stage.nodes.a[family], "-p", `${iperf(place)}`, "-J"];
        const flags = ["-u", "-l", "1000", "-b", "40M", "-n", "2M"];
        const { end } = JSON.parse(await run("iperf3", ...at, ...flags));
        expect(end.sum.packets).toBeGreaterThan(2_000);
        expect(end.sum.lost_percent).toBeLessThan(50);
      }
    });
  },
);

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
        const authority = authorityOf(stage.nodes.a[family], http(place));
        expect(await download(stage.client, authority, length)).toBe(expected);
        expect(await upload(stage.client, authority, length)).toBe(expected);
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
        const authority = authorityOf(stage.nodes.a[family], http(place));
        expect(await download(stage.client, authority, length)).toBe(expected);
        expect(await upload(stage.client, authority, length)).toBe(expected);
      }
    }
  });
});
