import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type TcpPeer, tcpPeerCodec } from "../../bpf/build/layout.ts";
import { startLoad } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";
import { type RemoteSocket, Sockets } from "./sockets.ts";

const places = 65_536;
/** VIP number n of the Service that all VIPs of this suite belong to. */
const vip4 = (n: number): string => `10.96.1.${n}`;
const vip6 = (n: number): string => `fd00:96::1:${n}`;

describe("a socket that speaks to a ClusterIP", () => {
  let served: ServedNode;
  let pod: TestPod;
  let backend: TestPod;
  let sockets: Sockets;

  beforeAll(async () => {
    served = await ServedNode.start();
    pod = await served.node.makePod("client");
    backend = await served.backend("one", {
      tcp: [8080],
      udp: [8080, 8081, 8082, 8083, 8084, 8085],
    });
    sockets = await Sockets.start(pod);
    for (const n of [1, 2, 3, 4, 5, 6]) {
      await served.publish({
        name: `vip-${n}`,
        ip4: vip4(n),
        ip6: vip6(n),
        ports: [tcp(80, 8080), udp(80, 8079 + n)],
        endpoints: [{ pod: backend }],
      });
    }
    for (const n of [101, 102]) {
      await served.publish({
        name: `shared-${n}`,
        ip4: vip4(n),
        ip6: vip6(n),
        ports: [udp(80, 8080)],
        endpoints: [{ pod: backend }],
      });
    }
    const other = await served.backend("two", { udp: [8080] });
    await served.publish({
      name: "twin",
      ip4: vip4(110),
      ip6: vip6(110),
      ports: [udp(80, 8080)],
      endpoints: [{ pod: backend }, { pod: other }],
    });
  });
  afterAll(async () => {
    await sockets?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const families = [
    ["IPv4", vip4, "ip4", ""],
    ["IPv6", vip6, "ip6", ""],
    ["IPv4 through an IPv6 socket", (n: number) => `::ffff:${vip4(n)}`, "ip4", "::ffff:"],
  ] as const;
  const shown = (address: string, port: number): string =>
    address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

  describe.each(families)("over %s", (_, vip, key, prefix) => {
    const shared = (n: number) => vip(100 + n);
    const twin = vip(110);

    for (const protocol of ["tcp", "udp"] as const) {
      /** Connected through the ClusterIP to the pod, and not only so in name. */
      const connected = async (): Promise<RemoteSocket> => {
        const socket = await sockets.connected(protocol, vip(1), 80);
        expect(await answer(socket)).toBe("one");
        return socket;
      };
      const answer = async (socket: RemoteSocket): Promise<string> =>
        (await (protocol === "udp" ? socket.request() : socket.receive())).backend;

      it(`sees the ClusterIP as its ${protocol} peer (PF-22)`, async () => {
        const socket = await connected();
        expect(await socket.peer()).toBe(shown(vip(1), 80));
        await socket.close();
      });

      it(`sees the pod's own address once its ${protocol} socket is connected to that`, async () => {
        const socket = await connected();
        expect(await socket.peer()).toBe(shown(vip(1), 80));
        await socket.disconnect();
        await socket.connect(`${prefix}${backend[key]}`, 8080);
        expect(await socket.peer()).toBe(shown(`${prefix}${backend[key]}`, 8080));
        await socket.close();
      });

      it(`sees the other ClusterIP once its ${protocol} socket is connected to that`, async () => {
        const socket = await connected();
        await socket.disconnect();
        await socket.connect(vip(2), 80);
        expect(await answer(socket)).toBe("one");
        expect(await socket.peer()).toBe(shown(vip(2), 80));
        await socket.close();
      });
    }

    it("sees answers to a connected UDP socket come from the ClusterIP (PF-22)", async () => {
      const socket = await sockets.connected("udp", vip(1), 80);
      expect(await socket.request()).toEqual({ backend: "one", from: shown(vip(1), 80) });
      await socket.close();
    });

    it("connects its UDP socket to one address after another without a pause between", async () => {
      const socket = await sockets.connected("udp", vip(1), 80);
      await socket.connect(vip(2), 80);
      expect(await socket.request()).toEqual({ backend: "one", from: shown(vip(2), 80) });
      await socket.connect(`${prefix}${backend[key]}`, 8080);
      expect(await socket.peer()).toBe(shown(`${prefix}${backend[key]}`, 8080));
      expect((await socket.request()).from).toBe(shown(`${prefix}${backend[key]}`, 8080));
      await socket.close();
    });

    it("sees unconnected answers come from the ClusterIP that was asked (PF-22)", async () => {
      const socket = await sockets.open("udp", vip(1).includes(":") ? 6 : 4);
      for (const n of [1, 2, 1, 2, 2, 1]) {
        expect(await socket.requestFrom(vip(n), 80)).toEqual({
          backend: "one",
          from: shown(vip(n), 80),
        });
      }
      await socket.close();
    });

    it("speaks to more ClusterIPs than a socket remembers, one after another", async () => {
      const socket = await sockets.open("udp", vip(1).includes(":") ? 6 : 4);
      for (const n of [1, 2, 3, 4, 5, 6, 1, 6, 3, 2, 5, 4]) {
        expect((await socket.requestFrom(vip(n), 80)).from).toBe(shown(vip(n), 80));
      }
      await socket.close();
    });

    it("tells answers of four ClusterIPs apart when all of them are asked first", async () => {
      const socket = await sockets.open("udp", vip(1).includes(":") ? 6 : 4);
      for (const n of [1, 2, 3, 4]) await socket.sendTo(vip(n), 80);
      const from: (string | undefined)[] = [];
      for (let n = 0; n < 4; n++) from.push((await socket.receive()).from);
      expect(from.sort()).toEqual([1, 2, 3, 4].map((n) => shown(vip(n), 80)));
      await socket.close();
    });

    it("sees an address that is no ClusterIP as it is beside ClusterIPs", async () => {
      const direct = `${prefix}${backend[key]}`;
      const socket = await sockets.open("udp", vip(1).includes(":") ? 6 : 4);
      expect((await socket.requestFrom(vip(2), 80)).from).toBe(shown(vip(2), 80));
      expect((await socket.requestFrom(direct, 8080)).from).toBe(shown(direct, 8080));
      expect((await socket.requestFrom(vip(2), 80)).from).toBe(shown(vip(2), 80));
      await socket.close();
    });

    it("asks one ClusterIP on a socket that is connected to another", async () => {
      const socket = await sockets.connected("udp", vip(1), 80);
      await socket.sendTo(vip(2), 80);
      expect((await socket.request()).from).toBe(shown(vip(1), 80));
      expect(await socket.peer()).toBe(shown(vip(1), 80));
      await socket.close();
    });

    it("sees the ClusterIP that was asked last where several lead to one pod", async () => {
      const [first, last] = [shared(1), shared(2)];
      const socket = await sockets.open("udp", first.includes(":") ? 6 : 4);
      for (const address of [first, last, first, last, last, first]) {
        expect((await socket.requestFrom(address, 80)).from).toBe(shown(address, 80));
      }
      await socket.close();
    });

    it("forgets the ClusterIP that its UDP socket was connected to when that is undone", async () => {
      const [first, last] = [shared(1), shared(2)];
      const socket = await sockets.connected("udp", first, 80);
      expect((await socket.request()).from).toBe(shown(first, 80));
      await socket.disconnect();
      expect((await socket.requestFrom(last, 80)).from).toBe(shown(last, 80));
      await socket.close();
    });

    it("is answered by the pod that it is connected to when it names the address again", async () => {
      for (let n = 0; n < 12; n++) {
        const socket = await sockets.connected("udp", twin, 80);
        const { backend: name } = await socket.request();
        const expected = { backend: name, from: shown(twin, 80) };
        expect(await socket.requestFrom(twin, 80)).toEqual(expected);
        await socket.close();
      }
    });
  });

  describe("among many", () => {
    const peers = () => {
      const map = served.map("tcp_peers");
      try {
        return Array.from(map.entries(), ([, value]) => tcpPeerCodec.decode(value));
      } finally {
        map.close();
      }
    };
    const cookies = () => peers().flatMap(({ cookie }) => (cookie === 0n ? [] : [cookie]));
    const writePeers = (peer: TcpPeer, indices: readonly number[]) => {
      const map = served.map("tcp_peers");
      const keys = new Uint8Array(Uint32Array.from(indices).buffer);
      const values = new Uint8Array(indices.length * tcpPeerCodec.size);
      for (let i = 0; i < indices.length; i++) {
        tcpPeerCodec.encode(peer, values, i * tcpPeerCodec.size);
      }
      map.updateBatch(keys, values);
      map.close();
    };
    const free: TcpPeer = { cookie: 0n, vip: new Uint8Array(16), vipPort: 0, service: 0 };
    const everyPlace = Array.from({ length: places }, (_, index) => index);

    beforeEach(() => {
      expect(cookies()).toEqual([]);
    });

    it("holds the place that its cookie names, and gives it back when it is closed", async () => {
      const socket = await sockets.connected("tcp", vip4(1), 80);
      const cookie = await socket.cookie();
      expect(cookies()).toEqual([cookie]);
      expect(peers()[Number(cookie % BigInt(places))]).toMatchObject({ cookie, vipPort: 80 });
      await socket.close();
      expect(cookies()).toEqual([]);
    });

    it("gives its place back when it is connected to a pod's own address", async () => {
      const socket = await sockets.connected("tcp", vip4(1), 80);
      expect(cookies()).toHaveLength(1);
      await socket.disconnect();
      await socket.connect(backend.ip4, 8080);
      expect(cookies()).toEqual([]);
      await socket.close();
    });

    it("gives its place back when its process is killed", async () => {
      const doomed = await Sockets.start(pod);
      const doomedSockets = [];
      for (let n = 0; n < 10; n++) doomedSockets.push(await doomed.connected("tcp", vip6(1), 80));
      expect(cookies()).toHaveLength(10);
      await doomed[Symbol.asyncDispose]();
      expect(cookies()).toEqual([]);
    });

    it("keeps its peer while more connections come and go than there are places (PF-22)", async () => {
      const long = await sockets.connected("tcp", vip4(1), 80);
      const load = await startLoad(
        pod,
        { protocol: "tcp", address: vip6(2), port: 80 },
        { count: 70_000, summary: true },
      );
      const { ok, failed } = await load.finished();
      expect({ ok, failed }).toEqual({ ok: 70_000, failed: 0 });
      expect(await long.peer()).toBe(`${vip4(1)}:80`);
      expect(cookies()).toEqual([await long.cookie()]);
      await long.close();
      expect(cookies()).toEqual([]);
    });

    it("remembers its peer although its place is another's, and leaves that alone (PF-22)", async () => {
      const foreign = { ...free, cookie: 2n ** 63n, vipPort: 9 };
      writePeers(foreign, everyPlace);
      const socket = await sockets.connected("tcp", vip4(1), 80);
      const mapped = await sockets.connected("tcp", `::ffff:${vip4(2)}`, 80);
      expect(await socket.peer()).toBe(`${vip4(1)}:80`);
      expect(await mapped.peer()).toBe(`[::ffff:${vip4(2)}]:80`);
      await mapped.close();
      await socket.disconnect();
      await socket.connect(backend.ip4, 8080);
      expect(await socket.peer()).toBe(`${backend.ip4}:8080`);
      await socket.close();
      expect(
        peers().filter(({ cookie, vipPort }) => cookie === 2n ** 63n && vipPort === 9),
      ).toHaveLength(places);
      writePeers(free, everyPlace);
    });

    it("remembers its newest peer when its place has become free in between", async () => {
      const socket = await sockets.open("tcp", 4);
      const place = Number((await socket.cookie()) % BigInt(places));
      writePeers({ ...free, cookie: 1n }, [place]);
      await socket.connect(vip4(1), 80);
      expect(await socket.peer()).toBe(`${vip4(1)}:80`);
      writePeers(free, [place]);
      await socket.disconnect();
      await socket.connect(vip4(2), 80);
      expect(await socket.peer()).toBe(`${vip4(2)}:80`);
      await socket.disconnect();
      await socket.connect(backend.ip4, 8080);
      expect(await socket.peer()).toBe(`${backend.ip4}:8080`);
      await socket.close();
    });
  });
});
