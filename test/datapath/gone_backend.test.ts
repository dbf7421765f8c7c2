import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BackendArray } from "../../bpf/build/layout.ts";
import type { TestPod } from "../harness/pod.ts";
import { ask } from "./ask.ts";
import { type EndpointSpec, type ServiceSpec, tcp, udp, writeService } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";
import { type RemoteSocket, Sockets } from "./sockets.ts";

const vip4 = "10.96.4.1";
const vip6 = "fd00:96::4:1";
const gone = { errno: "ECONNABORTED" };

describe("when the backend of a UDP socket goes", () => {
  let served: ServedNode;
  let other: ServedNode;
  let one: TestPod;
  let two: TestPod;
  let sockets: Sockets;
  let strangers: Sockets;
  let service: ServiceSpec;

  beforeAll(async () => {
    served = await ServedNode.start({ flags: ["--nodeport-addresses=primary,localhost"] });
    other = await ServedNode.start({ network: served.network });
    one = await served.backend("one", { tcp: [8080], udp: [8080] });
    two = await served.backend("two", { tcp: [8080], udp: [8080] });
    sockets = await Sockets.start(await served.node.makePod("client"));
    strangers = await Sockets.start(await other.node.makePod("stranger"));
    service = {
      name: "web",
      ip4: vip4,
      ip6: vip6,
      ports: [tcp(80, 8080), udp(80, 8080)],
      endpoints: [{ pod: one }],
    };
    await other.publish(service);
  });
  beforeEach(() => served.publish(service));
  afterAll(async () => {
    await sockets?.[Symbol.asyncDispose]();
    await strangers?.[Symbol.asyncDispose]();
    await other?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const destroyed = async () => (await served.agent.status()).sync.staleSocketsDestroyed;
  const turnTo = (...pods: readonly TestPod[]) =>
    served.publish({ ...service, endpoints: pods.map((pod) => ({ pod })) });
  const connected = async (address: string): Promise<RemoteSocket> => {
    const socket = await sockets.connected("udp", address, 80);
    expect(await socket.request()).toMatchObject({ backend: "one" });
    return socket;
  };

  for (const address of [vip4, vip6, `::ffff:${vip4}`]) {
    it(`the one connected to ${address} is told, and reaches another (KP-70, PF-20, PF-21)`, async () => {
      const before = await destroyed();
      const socket = await connected(address);
      await turnTo(two);
      await expect(socket.receive()).rejects.toMatchObject(gone);
      expect(await destroyed()).toBe(before + 1);
      await socket.connect(address, 80);
      expect(await socket.request()).toMatchObject({ backend: "two" });
      await socket.close();
    });
  }

  it("all of them are told, those of the node's own network too (PF-20)", async () => {
    await using onNode = await Sockets.start(served.node);
    const before = await destroyed();
    const doomed = [
      await onNode.connected("udp", vip4, 80),
      await onNode.connected("udp", vip6, 80),
    ];
    for (let n = 0; n < 20; n++) doomed.push(await connected(n % 2 === 0 ? vip4 : vip6));
    await turnTo(two);
    for (const socket of doomed) await expect(socket.receive()).rejects.toMatchObject(gone);
    expect(await destroyed()).toBe(before + 22);
    for (const socket of doomed.slice(2)) await socket.close();
  });

  it("it is told when no endpoint is left, and refused from then on (KP-70, PF-20)", async () => {
    const socket = await connected(vip4);
    const unconnected = await sockets.open("udp", 6);
    expect(await unconnected.requestFrom(vip6, 80)).toMatchObject({ backend: "one" });
    await turnTo();
    await expect(socket.receive()).rejects.toMatchObject(gone);
    await expect(unconnected.requestFrom(vip6, 80)).rejects.toMatchObject({
      errno: "ECONNREFUSED",
    });
    for (const each of [socket, unconnected]) await each.close();
  });

  it("it is told when the Service is deleted (KP-70, PF-20)", async () => {
    const socket = await connected(vip4);
    await served.remove("web");
    await expect(socket.receive()).rejects.toMatchObject(gone);
    await socket.close();
  });

  it("it is told when that happened while the agent was dead (KP-70, PF-20)", async () => {
    const socket = await connected(vip6);
    await served.agent.kill();
    await writeService(served.folder, { ...service, endpoints: [{ pod: two }] });
    expect(await socket.request()).toMatchObject({ backend: "one" });
    await served.agent.begin();
    await expect(socket.receive()).rejects.toMatchObject(gone);
    await socket.close();
  });

  it("it is told after a crash before it could be, though nothing changes any more (PF-20)", async () => {
    const socket = await connected(vip4);
    const { cluster } = await served.servicePort("web", "udp-80", "IPv4");
    const [{ index, generation } = { index: -1, generation: -1 }] = cluster;
    await served.agent.kill();
    // As if the agent had given the record away and had died before it looked for sockets.
    using map = served.map("backends");
    new BackendArray(map.mmap()).setGeneration(index, generation + 1);
    await served.agent.begin();
    await expect(socket.receive()).rejects.toMatchObject(gone);
    await socket.close();
  });

  it("no other socket is touched (KP-70, PF-21)", async () => {
    const direct = await sockets.connected("udp", one.ip4, 8080);
    const direct6 = await sockets.connected("udp", one.ip6, 8080);
    const unconnected = await sockets.open("udp", 4);
    const overTcp = await sockets.connected("tcp", vip4, 80);
    const left = await sockets.connected("udp", vip4, 80);
    const foreign = await strangers.connected("udp", vip4, 80);
    await left.disconnect();
    await left.connect(one.ip4, 8080);
    await unconnected.requestFrom(vip4, 80);
    await overTcp.receive();
    const before = await destroyed();
    // Twice, so that the first hunt is over when the survivors are looked at.
    for (const pod of [two, one, two]) {
      const doomed = await sockets.connected("udp", vip4, 80);
      await turnTo(pod);
      await expect(doomed.receive()).rejects.toMatchObject(gone);
      await doomed.close();
    }
    expect(await destroyed()).toBe(before + 3);
    expect(await direct.request()).toEqual({ backend: "one", from: `${one.ip4}:8080` });
    expect(await direct6.request()).toEqual({ backend: "one", from: `[${one.ip6}]:8080` });
    expect(await left.request()).toEqual({ backend: "one", from: `${one.ip4}:8080` });
    expect(await foreign.request()).toEqual({ backend: "one", from: `${vip4}:80` });
    expect(await unconnected.requestFrom(vip4, 80)).toEqual({ backend: "two", from: `${vip4}:80` });
    await overTcp.send("still-there");
    expect(await overTcp.receive()).toMatchObject({ backend: "still-there" });
    for (const socket of [direct, direct6, left, unconnected, overTcp]) await socket.close();
    await foreign.close();
  });

  it("it stays while only others come and go (PF-23)", async () => {
    const socket = await connected(vip4);
    const unconnected = await sockets.open("udp", 6);
    expect(await unconnected.requestFrom(vip6, 80)).toMatchObject({ backend: "one" });
    const before = await destroyed();
    for (const pods of [[one, two], [two, one], [one], [one, two], [one]]) {
      await turnTo(...pods);
      expect(await socket.request()).toMatchObject({ backend: "one" });
      expect(await unconnected.requestFrom(vip6, 80)).toMatchObject({ backend: "one" });
    }
    expect(await destroyed()).toBe(before);
    await socket.close();
    await unconnected.close();
  });

  it("it stays where the internal traffic policy is Local as well (KP-10, PF-23)", async () => {
    const local: ServiceSpec = {
      ...service,
      name: "local",
      ip4: "10.96.4.2",
      ip6: "fd00:96::4:2",
      internalTrafficPolicy: "Local",
      endpoints: [one, two].map((pod) => ({ pod, nodeName: served.node.name })),
    };
    await served.publish(local);
    const socket = await sockets.connected("udp", "fd00:96::4:2", 80);
    const { backend: held } = await socket.request();
    const unconnected = await sockets.open("udp", 4);
    const { backend: kept } = await unconnected.requestFrom("10.96.4.2", 80);
    // The hunt that this starts walks over every socket.
    const doomed = await connected(vip4);
    await turnTo(two);
    await expect(doomed.receive()).rejects.toMatchObject(gone);
    for (let n = 0; n < 12; n++) {
      expect(await socket.request()).toMatchObject({ backend: held });
      expect(await unconnected.requestFrom("10.96.4.2", 80)).toMatchObject({ backend: kept });
    }
    for (const each of [socket, unconnected, doomed]) await each.close();
  });

  it("one stays at a NodePort's pod that is no longer this node's, and one at the ClusterIP goes (KP-10, KP-14, PF-21)", async () => {
    const nodePort = 30_040;
    const atHand = { pod: one, nodeName: served.node.name };
    const elsewhere = { pod: one, nodeName: "elsewhere" };
    const policies: ServiceSpec = {
      ...service,
      name: "policies",
      ip4: "10.96.4.3",
      ip6: "fd00:96::4:3",
      ports: [{ ...udp(80, 8080), nodePort }],
      internalTrafficPolicy: "Local",
      externalTrafficPolicy: "Local",
      endpoints: [atHand],
    };
    await served.publish(policies);
    const byClusterIP = await sockets.connected("udp", "10.96.4.3", 80);
    const byNodePort = await sockets.connected("udp", served.node.ip4, nodePort);
    const unconnected = await sockets.open("udp", 6);
    expect(await byClusterIP.request()).toMatchObject({ backend: "one" });
    expect(await byNodePort.request()).toMatchObject({ backend: "one" });
    const before = await destroyed();
    await served.publish(
      { ...policies, endpoints: [elsewhere, { pod: two, nodeName: served.node.name }] },
      [{ pod: two }],
    );
    await expect(byClusterIP.receive()).rejects.toMatchObject(gone);
    expect(await byNodePort.request()).toMatchObject({
      backend: "one",
      from: `${served.node.ip4}:${nodePort}`,
    });
    expect(await destroyed()).toBe(before + 1);
    for (const each of [byClusterIP, byNodePort, unconnected]) await each.close();
    await served.remove("policies");
  });

  it("one at a NodePort leaves a terminating pod of this node that only others' traffic may use (KP-12 to KP-14, PF-24)", async () => {
    const nodePort = 30_041;
    const atHand = { pod: one, nodeName: served.node.name };
    const local: ServiceSpec = {
      ...service,
      name: "terminating",
      ip4: "10.96.4.4",
      ip6: "fd00:96::4:4",
      ports: [{ ...udp(80, 8080), nodePort }],
      externalTrafficPolicy: "Local",
      endpoints: [atHand],
    };
    await served.publish(local);
    await using onNode = await Sockets.start(served.node);
    const socket = await onNode.connected("udp", "::1", nodePort);
    const unconnected = await onNode.open("udp", 4);
    expect(await socket.request()).toMatchObject({ backend: "one" });
    expect(await unconnected.requestFrom("127.0.0.1", nodePort)).toMatchObject({ backend: "one" });
    const terminating = { ...atHand, ready: false, serving: true, terminating: true };
    await served.publish(
      { ...local, endpoints: [terminating, { pod: two, nodeName: "elsewhere" }] },
      [{ pod: two }],
    );
    const { local: kept } = await served.servicePort("terminating", "udp-80", "IPv6");
    expect(kept.map(({ address }) => address)).toEqual([one.ip6]);
    await expect(socket.receive()).rejects.toMatchObject(gone);
    expect(await unconnected.requestFrom("127.0.0.1", nodePort)).toMatchObject({ backend: "two" });
    await served.remove("terminating");
  });

  describe("and there are several", () => {
    let backends: EndpointSpec[];

    beforeAll(async () => {
      backends = [{ pod: one }, { pod: two }];
      for (const name of ["three", "four"]) {
        backends.push({ pod: await served.backend(name, { udp: [8080], tcp: [8080] }) });
      }
    });

    for (const address of [vip4, vip6, `::ffff:${vip4}`]) {
      it(`an unconnected one at ${address} keeps the rest of its life to one (PF-23)`, async () => {
        await served.publish({ ...service, endpoints: backends });
        const socket = await sockets.open("udp", address.includes(":") ? 6 : 4);
        const { backend: first } = await socket.requestFrom(address, 80);
        for (let n = 0; n < 20; n++) {
          expect(await socket.requestFrom(address, 80)).toMatchObject({ backend: first });
        }
        const rest = backends.filter(({ pod }) => (pod as TestPod).name !== first);
        await served.publish({ ...service, endpoints: rest });
        const { backend: second } = await socket.requestFrom(address, 80);
        expect(second).not.toBe(first);
        await served.publish({ ...service, endpoints: backends });
        for (let n = 0; n < 20; n++) {
          expect(await socket.requestFrom(address, 80)).toMatchObject({ backend: second });
        }
        await socket.close();
      });
    }
  });

  it("UDP moves off a terminating pod once another is ready, TCP drains (KP-70, PF-24)", async () => {
    const terminating = { pod: one, ready: false, serving: true, terminating: true };
    const socket = await connected(vip4);
    const unconnected = await sockets.open("udp", 4);
    await unconnected.requestFrom(vip4, 80);
    const overTcp = await sockets.connected("tcp", vip4, 80);
    await overTcp.receive();

    // Alone, the terminating pod goes on to serve (KP-12).
    await served.publish({ ...service, endpoints: [terminating] });
    expect(await socket.request()).toMatchObject({ backend: "one" });
    expect(await unconnected.requestFrom(vip4, 80)).toMatchObject({ backend: "one" });
    expect(await ask(served.node, "tcp", vip4, 80)).toMatchObject({ backend: "one" });

    await served.publish({ ...service, endpoints: [terminating, { pod: two }] }, [{ pod: two }]);
    await expect(socket.receive()).rejects.toMatchObject(gone);
    expect(await unconnected.requestFrom(vip4, 80)).toMatchObject({ backend: "two" });
    expect(await ask(served.node, "tcp", vip4, 80)).toMatchObject({ backend: "two" });
    await overTcp.send("draining");
    expect(await overTcp.receive()).toMatchObject({ backend: "draining" });
    for (const each of [socket, unconnected, overTcp]) await each.close();
  });
});
