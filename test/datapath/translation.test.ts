import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attempt } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { ask, tally } from "./ask.ts";
import { tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const web4 = "10.96.0.10";
const web6 = "fd00:96::10";
const dns4 = "10.96.0.53";

describe("a ClusterIP", () => {
  let served: ServedNode;
  let client: TestPod;
  let one: TestPod;
  let two: TestPod;

  beforeAll(async () => {
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    one = await served.backend("one", { tcp: [8080, 9090], udp: [8080] });
    two = await served.backend("two", { tcp: [8080, 9090], udp: [8080, 9090] });
    const three = await served.backend("three", { tcp: [8080] });
    await served.publish({
      name: "web",
      ip4: web4,
      ip6: web6,
      ports: [tcp(80, 8080), tcp(443, 9090), udp(80, 8080)],
      endpoints: [{ pod: one }],
    });
    await served.publish({
      name: "dns",
      ip4: dns4,
      ports: [
        { ...tcp(53, 9090), endpoints: [{ pod: one }] },
        { ...udp(53, 9090), endpoints: [{ pod: two }] },
      ],
      endpoints: [],
    });
    await served.publish({
      name: "wide",
      ip4: "10.96.0.20",
      ip6: "fd00:96::20",
      ports: [tcp(80, 8080)],
      endpoints: [one, two, three].map((pod) => ({ pod })),
    });
    await served.publish({
      name: "only-v6",
      ip6: "fd00:96::66",
      ports: [tcp(80, 8080)],
      endpoints: [{ pod: two }],
    });
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  const families = [
    ["IPv4", web4, `${web4}:80`],
    ["IPv6", web6, `[${web6}]:80`],
    ["IPv4 through an IPv6 socket", `::ffff:${web4}`, `[::ffff:${web4}]:80`],
  ] as const;

  for (const [family, address, peer] of families) {
    it(`leads to its pod over TCP and ${family}, from a pod and from the node`, async () => {
      const expected = { backend: "one", peer };
      expect(await ask(client, "tcp", address, 80)).toEqual(expected);
      expect(await ask(served.node, "tcp", address, 80)).toEqual(expected);
    });

    it(`leads to its pod over connected UDP and ${family}, from a pod and from the node`, async () => {
      const expected = { backend: "one", peer };
      expect(await ask(client, "udp", address, 80)).toEqual(expected);
      expect(await ask(served.node, "udp", address, 80)).toEqual(expected);
    });

    it(`leads to its pod over unconnected UDP and ${family}, from a pod and from the node`, async () => {
      const expected = { backend: "one", peer };
      const options = { unconnected: true };
      expect(await ask(client, "udp", address, 80, options)).toEqual(expected);
      expect(await ask(served.node, "udp", address, 80, options)).toEqual(expected);
    });
  }

  it("keeps the client's own address and needs nothing on the way back (PF-26)", async () => {
    const [outcome] = await attempt(client, { protocol: "tcp", address: web4, port: 80 });
    expect(outcome).toMatchObject({ ok: true, client: client.ip4 });
  });

  it("leads each of its ports to that port's target (KP-33)", async () => {
    const { frontends, cluster } = await served.servicePort("web", "tcp-443", "IPv4");
    expect(frontends).toMatchObject([{ kind: "ClusterIP", address: web4, port: 443 }]);
    expect(cluster.map(({ address, port }) => `${address}:${port}`)).toEqual([`${one.ip4}:9090`]);
    expect(await ask(client, "tcp", web4, 443)).toEqual({ backend: "one", peer: `${web4}:443` });
  });

  it("serves one port number for TCP and UDP by different pods (KP-33)", async () => {
    expect(await ask(client, "tcp", dns4, 53)).toEqual({ backend: "one", peer: `${dns4}:53` });
    expect(await ask(client, "udp", dns4, 53)).toEqual({ backend: "two", peer: `${dns4}:53` });
    const { backend } = (await ask(client, "udp", dns4, 53, { unconnected: true })) as {
      backend: string;
    };
    expect(backend).toBe("two");
  });

  it("is served in the one family that it has (KP-02)", async () => {
    expect(await ask(client, "tcp", "fd00:96::66", 80)).toEqual({
      backend: "two",
      peer: "[fd00:96::66]:80",
    });
  });

  it("spreads connections evenly over its pods (KP-30)", async () => {
    for (const address of ["10.96.0.20", "fd00:96::20"]) {
      const counts = await tally(client, "tcp", address, 80, 10_000);
      expect(Object.keys(counts).sort()).toEqual(["one", "three", "two"]);
      // Chi-square with two degrees of freedom: above 27.6 one fair run in a million.
      expect(chiSquare(Object.values(counts))).toBeLessThan(27.6);
    }
  });

  it("counts each connection made through it (PF-48)", async () => {
    const connections = async () =>
      (await served.servicePort("web", "tcp-443", "IPv6")).stats.connections;
    const before = await connections();
    await tally(client, "tcp", web6, 443, 25);
    expect(await connections()).toBe(before + 25);
  });

  it("lets a pod reach itself (KP-29)", async () => {
    expect(await ask(one, "tcp", web4, 80)).toEqual({ backend: "one", peer: `${web4}:80` });
    expect(await ask(one, "udp", web6, 80)).toEqual({ backend: "one", peer: `[${web6}]:80` });
  });

  it("means nothing to processes outside the agent's cgroup", async () => {
    const stranger = {
      start: (command: string, args: readonly string[]) =>
        served.node.start(command, args, { cgroup: false }),
    };
    expect(await ask(stranger, "udp", web4, 80)).toBe("EHOSTUNREACH");
    expect(await ask(stranger, "udp", web6, 80)).toBe("EACCES");
    expect(await ask(stranger, "tcp", one.ip4, 8080)).toEqual({
      backend: "one",
      peer: `${one.ip4}:8080`,
    });
  });

  it("leaves connections to pod addresses as they are", async () => {
    for (const protocol of ["tcp", "udp"] as const) {
      expect(await ask(client, protocol, two.ip4, 8080)).toEqual({
        backend: "two",
        peer: `${two.ip4}:8080`,
      });
      expect(await ask(client, protocol, two.ip6, 8080)).toEqual({
        backend: "two",
        peer: `[${two.ip6}]:8080`,
      });
    }
  });

  it("is refused at its other ports, and at those of the other protocol (KP-31)", async () => {
    expect(await ask(client, "udp", web4, 81)).toBe("ECONNREFUSED");
    expect(await ask(client, "tcp", web6, 81)).toBe("ECONNREFUSED");
    expect(await ask(client, "udp", web4, 443)).toBe("ECONNREFUSED");
    expect(await ask(client, "udp", "fd00:96::20", 80)).toBe("ECONNREFUSED");
  });
});

function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}
