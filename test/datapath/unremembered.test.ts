import { kernelVersion } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tcpPeerCodec } from "../../bpf/build/layout.ts";
import { netSettings } from "../harness/netns.ts";
import type { TestPod } from "../harness/pod.ts";
import { tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";
import { Sockets } from "./sockets.ts";

const places = 65_536;
const vip = { ip4: "10.96.8.1", ip6: "fd00:96::8:1" };

/** Before Linux 6.8 the limit of socket memory is the machine's, not the namespace's. */
const { major, minor } = kernelVersion();
const hasOwnLimit = major > 6 || (major === 6 && minor >= 8);

describe.runIf(hasOwnLimit)("a socket that no memory is left to remember", () => {
  let served: ServedNode;
  let backend: TestPod;
  let sockets: Sockets;

  beforeAll(async () => {
    served = await ServedNode.start();
    const pod = await served.node.makePod("client");
    await netSettings(pod.netns, { "core/optmem_max": 0 });
    backend = await served.backend("one", { tcp: [8080], udp: [8080] });
    sockets = await Sockets.start(pod);
    await served.publish({
      name: "web",
      ...vip,
      ports: [tcp(80, 8080), udp(80, 8080)],
      endpoints: [{ pod: backend }],
    });
  });
  afterAll(async () => {
    await sockets?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const stats = async (portName: string, family: "IPv4" | "IPv6") =>
    (await served.servicePort("web", portName, family)).stats;

  const takeEveryPlace = (): void => {
    const map = served.map("tcp_peers");
    const foreign = { cookie: 2n ** 63n, vip: new Uint8Array(16), vipPort: 9, service: 0 };
    const values = new Uint8Array(places * tcpPeerCodec.size);
    for (let i = 0; i < places; i++) tcpPeerCodec.encode(foreign, values, i * tcpPeerCodec.size);
    map.updateBatch(
      new Uint8Array(Uint32Array.from({ length: places }, (_, i) => i).buffer),
      values,
    );
    map.close();
  };

  it("is connected over TCP all the same, sees its backend, and is counted", async () => {
    const remembered = await sockets.connected("tcp", vip.ip4, 80);
    expect(await remembered.peer()).toBe(`${vip.ip4}:80`);
    takeEveryPlace();
    const socket = await sockets.connected("tcp", vip.ip4, 80);
    expect(await socket.peer()).toBe(`${backend.ip4}:8080`);
    expect((await socket.receive()).backend).toBe("one");
    expect(await stats("tcp-80", "IPv4")).toMatchObject({ connections: 2, unremembered: 1 });
  });

  it("is connected over UDP all the same, and is counted", async () => {
    const socket = await sockets.connected("udp", vip.ip6, 80);
    expect((await socket.request()).backend).toBe("one");
    expect(await socket.peer()).toBe(`[${backend.ip6}]:8080`);
    expect(await stats("udp-80", "IPv6")).toMatchObject({ connections: 1, unremembered: 1 });
  });

  it("has its datagrams translated all the same, each counted", async () => {
    const socket = await sockets.open("udp", 4);
    const fromBackend = { backend: "one", from: `${backend.ip4}:8080` };
    expect(await socket.requestFrom(vip.ip4, 80)).toEqual(fromBackend);
    expect(await socket.requestFrom(vip.ip4, 80)).toEqual(fromBackend);
    expect(await stats("udp-80", "IPv4")).toMatchObject({ datagrams: 2, unremembered: 2 });
  });
});
