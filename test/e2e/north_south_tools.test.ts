import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finished } from "../harness/child.ts";
import type { TestPod } from "../harness/pod.ts";
import { authorityOf, serveHttp } from "../harness/transfer.ts";
import { exposed, families, NorthSouth } from "./north_south.ts";

const places = [
  { node: "a", is: "on the node" },
  { node: "b", is: "on a routed node" },
  { node: "c", is: "behind VXLAN" },
] as const;
const dnsServer = join(import.meta.dirname, "../harness/dns_server.ts");
const megabytes = (count: number) => count * 1024 * 1024;

/** NodePorts of what is served at each place. */
const http = (place: number) => 30_010 + place;
const iperf = (place: number) => 30_020 + place;
const dns = (place: number) => 30_030 + place;

let stage: NorthSouth;

beforeAll(async () => {
  stage = await NorthSouth.start();
  for (const [place, { node }] of places.entries()) {
    const pod = await stage.nodes[node].makePod(`web-${node}`);
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
        const flags = ["-sS", "--max-time", "10", "-D", "-", "-o", "/dev/null"];
        const head = await run("curl", ...flags, url);
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
