import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestPod } from "../harness/pod.ts";
import { ask, tally } from "./ask.ts";
import { type EndpointSpec, type ServiceSpec, tcp, udp } from "./manifests.ts";
import { serveOnNode } from "./serve_on_node.ts";
import { ServedNode } from "./served_node.ts";
import { Sockets } from "./sockets.ts";

const nodePort = 30_090;
const ways = [
  ["tcp", {}],
  ["udp", {}],
  ["udp", { unconnected: true }],
] as const;
const shown = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

describe("an external address that is asked for on the node itself", () => {
  let served: ServedNode;
  let client: TestPod;
  let near: EndpointSpec;
  let far: EndpointSpec;
  let local: ServiceSpec;

  beforeAll(async () => {
    served = await ServedNode.start({ flags: ["--nodeport-addresses=primary,localhost"] });
    client = await served.node.makePod("client");
    const b = await served.network.makeNode("b");
    const away = await b.makePod("far");
    await away.serve({ tcp: [8080], udp: [8080] });
    const ports = { tcp: [8080, 9090], udp: [8080] };
    near = { pod: await served.backend("near", ports), nodeName: served.node.name };
    far = { pod: away, nodeName: "b" };
    local = {
      name: "local",
      ip4: "10.96.10.1",
      ip6: "fd00:96::10:1",
      ports: [
        { ...tcp(80, 8080), nodePort },
        { ...udp(80, 8080), nodePort },
      ],
      endpoints: [near, far],
      internalTrafficPolicy: "Local",
      externalTrafficPolicy: "Local",
      externalIPs: ["198.51.100.1", "2001:db8::1"],
      loadBalancerIPs: ["203.0.113.1", "2001:db8:1::1"],
    };
    await served.publish(local, [near]);
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  for (const [kind, address] of [
    ["external IP (KP-23)", "198.51.100.1"],
    ["external IP (KP-23)", "2001:db8::1"],
    ["external IP (KP-23)", "::ffff:198.51.100.1"],
    ["load balancer's IP (KP-22)", "203.0.113.1"],
    ["load balancer's IP (KP-22)", "2001:db8:1::1"],
    ["load balancer's IP (KP-22)", "::ffff:203.0.113.1"],
  ] as const) {
    it(`leads to every pod as an ${kind} at ${address}, whatever the external policy (KP-14)`, async () => {
      for (const from of [client, served.node]) {
        for (const [protocol, options] of ways) {
          const outcome = await ask(from, protocol, address, 80, options);
          expect(outcome).toMatchObject({ peer: shown(address, 80) });
        }
        // That one of two is never chosen happens once in 500 million times.
        for (const protocol of ["tcp", "udp"] as const) {
          const counts = await tally(from, protocol, address, 80, 30);
          expect(Object.keys(counts).sort()).toEqual(["far", "near"]);
        }
      }
    });
  }

  it("leads to every pod as a NodePort, and by the ClusterIP to this node's alone (KP-10, KP-14)", async () => {
    for (const from of [client, served.node]) {
      for (const address of [served.node.ip4, served.node.ip6]) {
        const counts = await tally(from, "tcp", address, nodePort, 30);
        expect(Object.keys(counts).sort()).toEqual(["far", "near"]);
      }
      expect(await tally(from, "tcp", "10.96.10.1", 80, 30)).toEqual({ near: 30 });
      expect(await tally(from, "udp", "fd00:96::10:1", 80, 30)).toEqual({ near: 30 });
    }
  });

  it("keeps a UDP socket to its pod by the slice that it was taken from (PF-23)", async () => {
    await using sockets = await Sockets.start(client);
    const socket = await sockets.open("udp", 4);
    const { backend: first } = await socket.requestFrom("203.0.113.1", 80);
    for (let n = 0; n < 20; n++) {
      expect(await socket.requestFrom("203.0.113.1", 80)).toMatchObject({ backend: first });
      expect(await socket.requestFrom("10.96.10.1", 80)).toMatchObject({ backend: "near" });
    }
    await socket.close();
  });

  it("refuses where there is no pod at all, and counts it (KP-14, PF-25)", async () => {
    await served.publish({
      name: "empty",
      ip4: "10.96.10.2",
      ports: [{ ...tcp(80, 8080), nodePort: nodePort + 1 }],
      endpoints: [],
      externalIPs: ["198.51.100.2"],
    });
    for (const from of [client, served.node]) {
      expect(await ask(from, "tcp", "198.51.100.2", 80)).toBe("ECONNREFUSED");
      expect(await ask(from, "tcp", served.node.ip4, nodePort + 1)).toBe("ECONNREFUSED");
    }
    expect(await ask(served.node, "tcp", "127.0.0.1", nodePort + 1)).toBe("ECONNREFUSED");
    expect((await served.servicePort("empty", "tcp-80", "IPv4")).stats.refused).toBe(5);
  });

  it("shares session affinity with the ClusterIP and the NodePort (KP-28)", async () => {
    await served.publish({
      name: "sticky",
      ip4: "10.96.10.3",
      ip6: "fd00:96::10:3",
      ports: [{ ...tcp(80, 8080), nodePort: nodePort + 2 }],
      endpoints: [near, far],
      affinitySeconds: 10_800,
      externalTrafficPolicy: "Local",
      externalIPs: ["198.51.100.3", "2001:db8::3"],
      loadBalancerIPs: ["203.0.113.3"],
    });
    for (let n = 0; n < 8; n++) {
      const pod = await served.node.makePod(`sticky-${n}`);
      const [first = ""] = Object.keys(await tally(pod, "tcp", "203.0.113.3", 80, 5));
      for (const [address, port] of [
        ["10.96.10.3", 80],
        ["198.51.100.3", 80],
        [served.node.ip4, nodePort + 2],
      ] as const) {
        expect(await tally(pod, "tcp", address, port, 5)).toEqual({ [first]: 5 });
      }
    }
    const [first = ""] = Object.keys(await tally(served.node, "tcp", "127.0.0.1", nodePort + 2, 5));
    expect(await tally(served.node, "tcp", "10.96.10.3", 80, 10)).toEqual({ [first]: 10 });
  });

  describe("at a port that nobody serves", () => {
    const refused = { errno: "ECONNREFUSED" };

    for (const address of [
      "10.96.10.1",
      "fd00:96::10:1",
      "::ffff:10.96.10.1",
      "198.51.100.1",
      "203.0.113.1",
      "2001:db8:1::1",
    ]) {
      it(`is refused at ${address}, over TCP and UDP (KP-31, PF-30)`, async () => {
        for (const from of [client, served.node]) {
          await using sockets = await Sockets.start(from);
          await expect(sockets.connected("tcp", address, 81)).rejects.toMatchObject(refused);
          const socket = await sockets.open("udp", address.includes(":") ? 6 : 4);
          await expect(socket.sendTo(address, 81)).rejects.toMatchObject(refused);
        }
      });
    }

    it("lets UDP connect, by which getaddrinfo() sorts addresses, and refuses what is sent", async () => {
      await using sockets = await Sockets.start(client);
      const socket = await sockets.connected("udp", "10.96.10.1", 81);
      expect(await socket.peer()).toBe("10.96.10.1:81");
      await expect(socket.request()).rejects.toMatchObject(refused);
    });

    it("is the node's own where the address is (PF-30)", async () => {
      await served.publish({
        name: "borrowed",
        ip4: "10.96.10.4",
        ports: [tcp(80, 8080)],
        endpoints: [near],
        externalIPs: [served.node.ip4],
      });
      await using _server = await serveOnNode(served.node, "on-node", { tcp: [8022] });
      for (const from of [client, served.node]) {
        expect(await ask(from, "tcp", served.node.ip4, 80)).toMatchObject({ backend: "near" });
        expect(await ask(from, "tcp", served.node.ip4, 8022)).toMatchObject({ backend: "on-node" });
      }
    });

    it("is no business of ours in other protocols", async () => {
      await client.run("sh", ["-c", "echo 0 0 > /proc/sys/net/ipv4/ping_group_range"]);
      await using sockets = await Sockets.start(client);
      const socket = await sockets.open("icmp", 4);
      await socket.connect("10.96.10.1", 81);
      await socket.close();
    });
  });
});
