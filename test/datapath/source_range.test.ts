import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { ask, tally } from "./ask.ts";
import { tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";
import { Sockets } from "./sockets.ts";

const nodePort = 30_060;
const refused = { errno: "ECONNREFUSED" };

/** Each has one Service of its own: ranges that hold pods only, the node only, and nobody here. */
const forPods = { ip4: "203.0.113.60", ip6: "2001:db8:1::60" };
const forNode = { ip4: "203.0.113.61", ip6: "2001:db8:1::61" };
const forNobody = { ip4: "203.0.113.62", ip6: "2001:db8:1::62" };

describe("a load balancer's address with source ranges, asked for on the node itself", () => {
  let served: ServedNode;
  let client: TestPod;
  let inPod: Sockets;
  let onNode: Sockets;

  beforeAll(async () => {
    served = await ServedNode.start({ flags: ["--nodeport-addresses=primary,localhost"] });
    const { node } = served;
    client = await node.makePod("client");
    inPod = await Sockets.start(client);
    onNode = await Sockets.start(node);
    const pod = await served.backend("one", { tcp: [8080], udp: [8080] });
    const publish = (name: string, n: number, at: typeof forPods, sourceRanges: string[]) =>
      served.publish({
        name,
        ip4: `10.96.6.${n}`,
        ip6: `fd00:96::6:${n}`,
        ports: [{ ...tcp(80, 8080), nodePort: nodePort + n }, udp(80, 8080)],
        endpoints: [{ pod }],
        loadBalancerIPs: [at.ip4, at.ip6],
        sourceRanges,
      });
    await until(async () => (await podDevices()).length === 2, {
      deadlineMs: 10_000,
      describe: "the programs at the pods' devices",
    });
    await publish("for-pods", 0, forPods, [node.podCidr4, node.podCidr6]);
    await publish("for-node", 1, forNode, [`${node.ip4}/32`, "192.0.2.0/24", `${node.ip6}/128`]);
    await publish("for-nobody", 2, forNobody, ["192.0.2.0/24", "2001:db8:2::/48"]);
  });
  afterAll(async () => {
    await inPod?.[Symbol.asyncDispose]();
    await onNode?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const podDevices = async () =>
    (await served.agent.status()).datapath.devices.filter(
      ({ role, hook, problem }) => role === "pod" && hook !== "ports" && problem === null,
    );

  const stats = async (name: string, portName: string, family: "IPv4" | "IPv6") =>
    (await served.servicePort(name, portName, family)).stats;

  const families = [
    ["IPv4", ({ ip4 }: typeof forPods) => ip4, ({ ip4 }: { ip4: string }) => ip4],
    ["IPv6", ({ ip6 }: typeof forPods) => ip6, ({ ip6 }: { ip6: string }) => ip6],
    [
      "IPv4 through an IPv6 socket",
      ({ ip4 }: typeof forPods) => `::ffff:${ip4}`,
      ({ ip4 }: { ip4: string }) => `::ffff:${ip4}`,
    ],
  ] as const;

  /** A socket of `from` that is bound to `source` before it is connected. */
  const bound = async (from: Sockets, protocol: "tcp" | "udp", source: string, to: string) => {
    const socket = await from.open(protocol, to.includes(":") ? 6 : 4);
    await socket.bind(source);
    await socket.connect(to, 80);
    return socket;
  };

  describe.each(families)("over %s", (_, vipOf, sourceOf) => {
    it("serves the node's sockets where a range holds its address (KP-24)", async () => {
      for (const protocol of ["tcp", "udp"] as const) {
        expect(await ask(served.node, protocol, vipOf(forNode), 80)).toMatchObject({
          backend: "one",
        });
      }
      const options = { unconnected: true };
      expect(await ask(served.node, "udp", vipOf(forNode), 80, options)).toMatchObject({
        backend: "one",
      });
    });

    it("refuses the node's sockets where none does (KP-24, PF-25)", async () => {
      for (const at of [forPods, forNobody]) {
        for (const protocol of ["tcp", "udp"] as const) {
          expect(await ask(served.node, protocol, vipOf(at), 80)).toBe("ECONNREFUSED");
        }
        const options = { unconnected: true };
        expect(await ask(served.node, "udp", vipOf(at), 80, options)).toBe("ECONNREFUSED");
      }
    });

    it("takes a socket that is bound to an address for that address (KP-24)", async () => {
      const own = sourceOf(client);
      const served4 = await bound(inPod, "tcp", own, vipOf(forPods));
      expect(await served4.receive()).toMatchObject({ backend: "one" });
      await served4.close();
      const overUdp = await bound(inPod, "udp", own, vipOf(forPods));
      expect(await overUdp.request()).toMatchObject({ backend: "one" });
      await overUdp.close();
      for (const [from, source, to] of [
        [inPod, own, forNode],
        [inPod, own, forNobody],
        [onNode, sourceOf(served.node), forPods],
      ] as const) {
        for (const protocol of ["tcp", "udp"] as const) {
          await expect(bound(from, protocol, source, vipOf(to))).rejects.toMatchObject(refused);
        }
      }
      const onGateway = await bound(onNode, "tcp", sourceOf(gatewayOf(served)), vipOf(forPods));
      expect(await onGateway.receive()).toMatchObject({ backend: "one" });
      await onGateway.close();
    });

    it("takes a datagram of a bound socket for that address (KP-24)", async () => {
      const socket = await inPod.open("udp", vipOf(forPods).includes(":") ? 6 : 4);
      await socket.bind(sourceOf(client));
      expect(await socket.requestFrom(vipOf(forPods), 80)).toMatchObject({ backend: "one" });
      await expect(socket.sendTo(vipOf(forNobody), 80)).rejects.toMatchObject(refused);
      await socket.close();
    });
  });

  it("leaves a pod's socket that is not bound to the packet path, which sees its address (KP-24, PF-43)", async () => {
    for (const at of [forPods, forNobody]) {
      for (const vip of [at.ip4, at.ip6]) {
        const [name, answer] =
          at === forPods ? (["for-pods", "one"] as const) : (["for-nobody", undefined] as const);
        const family = vip === at.ip4 ? "IPv4" : "IPv6";
        const before = await stats(name, "udp-80", family);
        const socket = await inPod.connected("udp", vip, 80);
        await socket.send();
        if (answer === undefined) {
          await until(async () => (await stats(name, "udp-80", family)).denied > before.denied, {
            deadlineMs: 5_000,
            describe: `a packet to ${vip} to be denied`,
          });
        } else {
          expect(await socket.receive()).toMatchObject({ backend: answer });
        }
        await socket.close();
        const { datagrams, denied, requestPackets } = await stats(name, "udp-80", family);
        const [isDenied, isServed] = answer === undefined ? [1, 0] : [0, 1];
        expect({ datagrams, denied, requestPackets }).toEqual({
          datagrams: before.datagrams,
          denied: before.denied + isDenied,
          requestPackets: before.requestPackets + isServed,
        });
      }
    }
  });

  it("forgets what its socket was connected to before (KP-24)", async () => {
    const socket = await inPod.connected("udp", "10.96.6.0", 80);
    expect((await socket.request()).from).toBe("10.96.6.0:80");
    await socket.disconnect();
    await socket.connect(forNobody.ip4, 80);
    expect(await socket.peer()).toBe(`${forNobody.ip4}:80`);
    await socket.close();
  });

  it("counts whom it denies (PF-48)", async () => {
    const before = await stats("for-nobody", "tcp-80", "IPv6");
    for (let n = 0; n < 3; n++) await ask(served.node, "tcp", forNobody.ip6, 80);
    const after = await stats("for-nobody", "tcp-80", "IPv6");
    expect(after).toEqual({ ...before, denied: before.denied + 3 });
  });

  it("holds nobody to them at the ClusterIP and the NodePort (KP-24)", async () => {
    for (const from of [client, served.node]) {
      expect(await tally(from, "tcp", "10.96.6.2", 80, 3)).toEqual({ one: 3 });
      expect(await tally(from, "tcp", served.node.ip6, nodePort + 2, 3)).toEqual({ one: 3 });
    }
    expect(await tally(served.node, "tcp", "127.0.0.1", nodePort + 2, 3)).toEqual({ one: 3 });
  });
});

/** The node's address among its pods. */
const gatewayOf = ({ node }: ServedNode) => ({
  ip4: node.podCidr4.replace("0/24", "1"),
  ip6: node.podCidr6.replace("/64", "1"),
});
