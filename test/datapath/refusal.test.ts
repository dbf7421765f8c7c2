import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestPod } from "../harness/pod.ts";
import { ask } from "./ask.ts";
import { tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";
import { Sockets } from "./sockets.ts";

describe("a ClusterIP without endpoints to choose from", () => {
  let served: ServedNode;
  let client: TestPod;
  let near: TestPod;
  let far: TestPod;
  let sockets: Sockets;

  beforeAll(async () => {
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    sockets = await Sockets.start(client);
    near = await served.backend("near", { tcp: [8080], udp: [8080] });
    const b = await served.network.makeNode("b");
    far = await b.makePod("far");
    await far.serve({ tcp: [8080], udp: [8080] });
    const ports = [tcp(80, 8080), udp(80, 8080)];
    const farAway = { pod: far, nodeName: "b" };
    const atHand = { pod: near, nodeName: served.node.name };
    await served.publish({
      name: "empty",
      ip4: "10.96.2.1",
      ip6: "fd00:96::2:1",
      ports,
      endpoints: [],
    });
    await served.publish(
      {
        name: "not-ready",
        ip4: "10.96.2.2",
        ip6: "fd00:96::2:2",
        ports,
        endpoints: [{ pod: near, ready: false }],
      },
      [],
    );
    await served.publish(
      {
        name: "local",
        ip4: "10.96.2.3",
        ip6: "fd00:96::2:3",
        ports,
        endpoints: [farAway, atHand],
        internalTrafficPolicy: "Local",
      },
      [atHand],
    );
    await served.publish(
      {
        name: "local-elsewhere",
        ip4: "10.96.2.4",
        ip6: "fd00:96::2:4",
        ports,
        endpoints: [farAway],
        internalTrafficPolicy: "Local",
      },
      [],
    );
  });
  afterAll(async () => {
    await sockets?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const addresses = (n: number) =>
    [`10.96.2.${n}`, `fd00:96::2:${n}`, `::ffff:10.96.2.${n}`] as const;
  const refused = { errno: "ECONNREFUSED" };

  for (const address of addresses(1)) {
    it(`refuses connect(2) of TCP and UDP at once at ${address} (KP-14, PF-25)`, async () => {
      await expect(sockets.connected("tcp", address, 80)).rejects.toMatchObject(refused);
      await expect(sockets.connected("udp", address, 80)).rejects.toMatchObject(refused);
    });

    it(`refuses sendto(2) at once at ${address} (KP-14, PF-25)`, async () => {
      const socket = await sockets.open("udp", address.includes(":") ? 6 : 4);
      await expect(socket.sendTo(address, 80)).rejects.toMatchObject(refused);
      await socket.close();
    });
  }

  it("refuses processes of the node as well (PF-25)", async () => {
    for (const address of addresses(1)) {
      expect(await ask(served.node, "tcp", address, 80)).toBe("ECONNREFUSED");
      expect(await ask(served.node, "udp", address, 80)).toBe("ECONNREFUSED");
    }
  });

  it("refuses where pods stand but none is ready (KP-12)", async () => {
    for (const address of addresses(2)) {
      expect(await ask(client, "tcp", address, 80)).toBe("ECONNREFUSED");
      expect(await ask(client, "udp", address, 80, { unconnected: true })).toBe("ECONNREFUSED");
    }
  });

  it("counts each refusal (PF-48)", async () => {
    const refusals = async (portName: string) =>
      (await served.servicePort("empty", portName, "IPv6")).stats.refused;
    const [tcpBefore, udpBefore] = [await refusals("tcp-80"), await refusals("udp-80")];
    for (let n = 0; n < 3; n++) await ask(client, "tcp", "fd00:96::2:1", 80);
    await ask(client, "udp", "fd00:96::2:1", 80);
    await ask(client, "udp", "fd00:96::2:1", 80, { unconnected: true });
    expect(await refusals("tcp-80")).toBe(tcpBefore + 3);
    expect(await refusals("udp-80")).toBe(udpBefore + 2);
  });

  it("does not disturb a socket that turns to a ClusterIP with endpoints after it", async () => {
    const socket = await sockets.open("tcp", 4);
    await expect(socket.connect("10.96.2.1", 80)).rejects.toMatchObject(refused);
    await socket.connect("10.96.2.3", 80);
    expect(await socket.receive()).toMatchObject({ backend: "near" });
    await socket.close();
  });

  it("serves as soon as it has an endpoint, and refuses as soon as it has none", async () => {
    const flapping = { name: "flapping", ip4: "10.96.2.5", ports: [tcp(80, 8080)] };
    await served.publish({ ...flapping, endpoints: [] });
    expect(await ask(client, "tcp", "10.96.2.5", 80)).toBe("ECONNREFUSED");
    await served.publish({ ...flapping, endpoints: [{ pod: far }] });
    expect(await ask(client, "tcp", "10.96.2.5", 80)).toMatchObject({ backend: "far" });
    await served.publish({ ...flapping, endpoints: [] });
    expect(await ask(client, "tcp", "10.96.2.5", 80)).toBe("ECONNREFUSED");
  });

  it("is a stranger's address again once its Service is deleted (KP-34)", async () => {
    await served.publish({
      name: "deleted",
      ip4: "10.96.2.6",
      ip6: "fd00:96::2:6",
      ports: [udp(80, 8080)],
      endpoints: [],
    });
    expect(await ask(client, "udp", "fd00:96::2:6", 80)).toBe("ECONNREFUSED");
    await served.remove("deleted");
    expect(await ask(client, "udp", "fd00:96::2:6", 80)).toBe("EACCES");
  });

  it("leads to this node's pods only where its internal traffic policy is Local (KP-10)", async () => {
    for (const address of addresses(3)) {
      for (let n = 0; n < 10; n++) {
        expect(await ask(client, "tcp", address, 80)).toMatchObject({ backend: "near" });
        expect(await ask(client, "udp", address, 80)).toMatchObject({ backend: "near" });
        const options = { unconnected: true };
        expect(await ask(client, "udp", address, 80, options)).toMatchObject({ backend: "near" });
      }
    }
  });

  it("refuses where its policy is Local and no pod of it runs on this node (KP-14)", async () => {
    for (const address of addresses(4)) {
      expect(await ask(client, "tcp", address, 80)).toBe("ECONNREFUSED");
      expect(await ask(client, "udp", address, 80)).toBe("ECONNREFUSED");
      const options = { unconnected: true };
      expect(await ask(client, "udp", address, 80, options)).toBe("ECONNREFUSED");
    }
  });
});
