import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestPod } from "../harness/pod.ts";
import { ask, tally } from "./ask.ts";
import { tcp, udp } from "./manifests.ts";
import { serveOnNode } from "./serve_on_node.ts";
import { ServedNode } from "./served_node.ts";
import { Sockets } from "./sockets.ts";

const nodePort = 30_080;
const vip = { ip4: "10.96.9.1", ip6: "fd00:96::9:1" };

describe("a NodePort that is asked for on the node itself", () => {
  let served: ServedNode;
  let client: TestPod;
  let near: TestPod;

  beforeAll(async () => {
    served = await ServedNode.start({ flags: ["--nodeport-addresses=primary,localhost"] });
    client = await served.node.makePod("client");
    near = await served.backend("near", { tcp: [8080], udp: [8080] });
    await served.publish({
      name: "web",
      ...vip,
      ports: [
        { ...tcp(80, 8080), nodePort },
        { ...udp(80, 8080), nodePort },
      ],
      endpoints: [{ pod: near, nodeName: served.node.name }],
    });
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  /** How one socket asks: over TCP, connected UDP and unconnected UDP. */
  const ways = [
    ["tcp", {}],
    ["udp", {}],
    ["udp", { unconnected: true }],
  ] as const;

  const shown = (address: string): string =>
    address.includes(":") ? `[${address}]:${nodePort}` : `${address}:${nodePort}`;

  for (const [family, addressOf] of [
    ["IPv4", () => served.node.ip4],
    ["IPv6", () => served.node.ip6],
    ["IPv4 through an IPv6 socket", () => `::ffff:${served.node.ip4}`],
  ] as const) {
    it(`answers at the node's address over ${family}, to pods and to the node (KP-26)`, async () => {
      const expected = { backend: "near", peer: shown(addressOf()) };
      for (const from of [client, served.node]) {
        for (const [protocol, options] of ways) {
          expect(await ask(from, protocol, addressOf(), nodePort, options)).toEqual(expected);
        }
      }
    });
  }

  for (const [address, peer] of [
    ["127.0.0.1", "127.0.0.1"],
    ["127.10.20.30", "127.10.20.30"],
    ["0.0.0.0", "127.0.0.1"],
    ["::1", "::1"],
    ["::", "::1"],
    ["::ffff:127.0.0.1", "::ffff:127.0.0.1"],
    ["::ffff:0.0.0.0", "::ffff:127.0.0.1"],
  ] as const) {
    it(`answers the node's own sockets at ${address} (KP-27)`, async () => {
      for (const [protocol, options] of ways) {
        const outcome = await ask(served.node, protocol, address, nodePort, options);
        expect(outcome).toEqual({ backend: "near", peer: shown(peer) });
      }
    });

    it(`leaves ${address} of a pod to the pod (KP-27)`, async () => {
      expect(await ask(client, "tcp", address, nodePort)).toBe("ECONNREFUSED");
      expect(await ask(client, "udp", address, nodePort)).toBe("ECONNREFUSED");
    });
  }

  it("leaves a server in a pod to the pod's own loopback (KP-27)", async () => {
    const host = await served.backend("host", { tcp: [nodePort] });
    expect(await ask(host, "tcp", "127.0.0.1", nodePort)).toMatchObject({ backend: "host" });
    expect(await ask(host, "tcp", "::1", nodePort)).toMatchObject({ backend: "host" });
    expect(await ask(host, "tcp", served.node.ip4, nodePort)).toMatchObject({ backend: "near" });
  });

  it("leaves a socket alone that is bound to the loopback, which no pod could answer (KP-27)", async () => {
    await using sockets = await Sockets.start(served.node);
    for (const [address, family] of [
      ["127.0.0.1", 4],
      ["::1", 6],
    ] as const) {
      const socket = await sockets.open("tcp", family);
      await socket.bind(address);
      await expect(socket.connect(address, nodePort)).rejects.toMatchObject({
        errno: "ECONNREFUSED",
      });
      await socket.close();
    }
    const bound = await sockets.open("tcp", 4);
    await bound.bind(served.node.ip4);
    await bound.connect("127.0.0.1", nodePort);
    expect(await bound.receive()).toMatchObject({ backend: "near" });
    await bound.close();
  });

  it("leaves the other ports of the node's addresses to the node (PF-30)", async () => {
    const unused = nodePort + 1;
    await using server = await serveOnNode(served.node, "on-node", { tcp: [unused] });
    for (const address of [served.node.ip4, served.node.ip6, "127.0.0.1", "::1"]) {
      expect(await ask(served.node, "tcp", address, unused)).toMatchObject({ backend: "on-node" });
    }
    expect(await ask(client, "tcp", served.node.ip4, unused)).toMatchObject({ backend: "on-node" });
    expect(server.exit).toBeUndefined();
    expect(await ask(client, "tcp", served.node.ip4, unused + 1)).toBe("ECONNREFUSED");
  });

  it("is another node's where it is asked for at that node's address (KP-26)", async () => {
    const other = await served.network.makeNode("other");
    expect(await ask(client, "tcp", other.ip4, nodePort)).toBe("ECONNREFUSED");
    await using _server = await serveOnNode(other, "on-other", { tcp: [nodePort] });
    expect(await ask(client, "tcp", other.ip4, nodePort)).toMatchObject({ backend: "on-other" });
    expect(await ask(served.node, "udp", other.ip6, nodePort)).toBe("ECONNREFUSED");
  });

  it("answers at the node's primary addresses alone where nothing else is set (KP-26)", async () => {
    await using plain = await ServedNode.start({ network: served.network });
    const { node } = plain;
    const pod = await plain.backend("plain", { tcp: [8080] });
    await plain.publish({
      name: "web",
      ...vip,
      ports: [{ ...tcp(80, 8080), nodePort }],
      endpoints: [{ pod }],
    });
    const gateways = [node.podCidr4.replace("0/24", "1"), node.podCidr6.replace("/64", "1")];
    for (const address of ["127.0.0.1", "::1", "0.0.0.0", "::", ...gateways]) {
      expect(await ask(node, "tcp", address, nodePort)).toBe("ECONNREFUSED");
    }
    for (const address of [node.ip4, node.ip6]) {
      expect(await ask(node, "tcp", address, nodePort)).toMatchObject({ backend: "plain" });
    }
  });

  it("answers at the loopback of a family that a CIDR of it holds, as kube-proxy has it spelt (KP-27)", async () => {
    const flags = ["--nodeport-addresses=127.0.0.0/8,fd00::/8"];
    await using plain = await ServedNode.start({ network: served.network, flags });
    const { node } = plain;
    const pod = await plain.backend("plain", { tcp: [8080] });
    const ports = [{ ...tcp(80, 8080), nodePort }];
    await plain.publish({ name: "web", ...vip, ports, endpoints: [{ pod }] });
    for (const address of ["127.0.0.1", "127.10.20.30", node.ip6]) {
      expect(await ask(node, "tcp", address, nodePort)).toMatchObject({ backend: "plain" });
    }
    for (const address of [node.ip4, "::1"]) {
      expect(await ask(node, "tcp", address, nodePort)).toBe("ECONNREFUSED");
    }
  });

  it("counts as a connection of its Service (PF-48)", async () => {
    const connections = async () =>
      (await served.servicePort("web", "tcp-80", "IPv6")).stats.connections;
    const before = await connections();
    await tally(client, "tcp", served.node.ip6, nodePort, 5);
    await tally(served.node, "tcp", "::1", nodePort, 6);
    expect(await connections()).toBe(before + 11);
  });
});
