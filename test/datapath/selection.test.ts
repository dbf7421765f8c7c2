import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestPod } from "../harness/pod.ts";
import { tally } from "./ask.ts";
import { tcp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";
import { Sockets } from "./sockets.ts";

const attempts = 8_000;

describe("the choice of a pod at the socket", () => {
  let served: ServedNode;
  let client: TestPod;
  let pods: readonly TestPod[];

  beforeAll(async () => {
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    pods = [];
    for (const name of ["one", "two", "three"]) {
      pods = [...pods, await served.backend(name, { tcp: [8080], udp: [8080] })];
    }
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  it("follows the weights of the Service, and leaves out who has none (KP-30)", async () => {
    const [one, two, three] = pods.map(({ ip4 }) => ip4);
    const endpoints = pods.map((pod) => ({ pod }));
    const annotations = { "sluice.dev/weights": `${one}=3,${two}=1,${three}=0` };
    const weighted = { name: "weighted", ip4: "10.96.11.1", ports: [tcp(80, 8080)], endpoints };
    await served.publish({ ...weighted, annotations }, endpoints.slice(0, 2));
    const counts = await tally(client, "tcp", "10.96.11.1", 80, attempts);
    expect(Object.keys(counts).sort()).toEqual(["one", "two"]);
    // Five standard deviations of a fair pick are 194: a fair run differs so once in two million.
    expect(Math.abs((counts.one ?? 0) - (3 * attempts) / 4)).toBeLessThan(194);
  });

  it("is random from a Maglev table too, each pod with about its share (KP-30)", async () => {
    await served.publish({
      name: "maglev",
      ip4: "10.96.11.2",
      ports: [tcp(80, 8080)],
      endpoints: pods.map((pod) => ({ pod })),
      annotations: { "sluice.dev/algorithm": "maglev" },
    });
    const counts = await tally(client, "tcp", "10.96.11.2", 80, attempts);
    expect(Object.keys(counts).sort()).toEqual(["one", "three", "two"]);
    for (const count of Object.values(counts)) {
      expect(Math.abs(count - attempts / 3)).toBeLessThan(attempts / 30);
    }
  });

  it("changes with each connection of one socket (KP-30)", async () => {
    await using sockets = await Sockets.start(client);
    const socket = await sockets.open("tcp", 4);
    const chosen = new Set<string>();
    for (let n = 0; n < 60; n++) {
      await socket.connect("10.96.11.2", 80);
      chosen.add((await socket.receive()).backend);
      await socket.disconnect();
    }
    expect([...chosen].sort()).toEqual(["one", "three", "two"]);
  });
});
