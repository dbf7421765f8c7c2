import dgram from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import * as fc from "fast-check";
import { BpfError, isClosed, isNotFound, MalformedError } from "libbpf-ts";
import {
  Attributes,
  be16Attribute,
  be32Attribute,
  bytesAttribute,
  destroySocket,
  encodeInetDiagRequest,
  encodeMessage,
  familyId,
  listSockets,
  MESSAGE_FLAGS,
  type NetlinkMessage,
  type NetlinkProtocol,
  nestedAttribute,
  openNetlink,
  parseMessages,
  resolveFamily,
  stringAttribute,
  subscribeNetlink,
  u8Attribute,
  u16Attribute,
  u32Attribute,
  u64Attribute,
} from "libbpf-ts/netlink";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseOutcome } from "../netlink/message.ts";
import { Reply } from "../netlink/reply.ts";
import { netns } from "./support/place.ts";
import { requireRoot } from "./support/root.ts";
import { until } from "./support/wait.ts";

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const IFLA_IFNAME = 3;
const RTNLGRP_LINK = 1;
const IFINFOMSG_SIZE = 16;

function open(protocol: NetlinkProtocol, path?: string) {
  requireRoot();
  const socket = openNetlink(protocol, path === undefined ? {} : { netns: path });
  onTestFinished(() => socket.close());
  return socket;
}

const deviceName = ({ payload }: NetlinkMessage): string | undefined =>
  new Attributes(payload.subarray(IFINFOMSG_SIZE)).string(IFLA_IFNAME);

const dumpLinks = {
  type: RTM_GETLINK,
  flags: MESSAGE_FLAGS.dump,
  payload: new Uint8Array(IFINFOMSG_SIZE),
};

describe("attributes", () => {
  it("are encoded as the kernel lays them out", () => {
    expect([...u8Attribute(1, 255)]).toEqual([5, 0, 1, 0, 255, 0, 0, 0]);
    expect([...u16Attribute(2, 0x1234)]).toEqual([6, 0, 2, 0, 0x34, 0x12, 0, 0]);
    expect([...be16Attribute(2, 0x1234)]).toEqual([6, 0, 2, 0, 0x12, 0x34, 0, 0]);
    expect([...u32Attribute(3, 0x01020304)]).toEqual([8, 0, 3, 0, 4, 3, 2, 1]);
    expect([...be32Attribute(3, 0x01020304)]).toEqual([8, 0, 3, 0, 1, 2, 3, 4]);
    expect([...stringAttribute(4, "abc")]).toEqual([8, 0, 4, 0, 97, 98, 99, 0]);
    expect([...nestedAttribute(5, [u8Attribute(1, 7)])]).toEqual([
      12, 0, 5, 0x80, 5, 0, 1, 0, 7, 0, 0, 0,
    ]);
    expect(() => u8Attribute(1, 256)).toThrow("256 is no unsigned integer of 1 bytes");
    expect(() => u64Attribute(1, -1n)).toThrow("-1 is no u64");
    expect(() => bytesAttribute(1, new Uint8Array(0x10000))).toThrow("cannot hold 65536 bytes");
  });

  it("come back as they were put in", () => {
    const attributes = new Attributes(
      Buffer.concat([
        u64Attribute(1, 0xffff_ffff_ffff_fffen),
        stringAttribute(2, "wlan0"),
        nestedAttribute(3, [be16Attribute(4, 8080), u32Attribute(5, 6)]),
      ]),
    );
    expect(attributes.u64(1)).toBe(0xffff_ffff_ffff_fffen);
    expect(attributes.string(2)).toBe("wlan0");
    expect(attributes.nested(3)?.be16(4)).toBe(8080);
    expect(attributes.nested(3)?.u32(5)).toBe(6);
    expect(attributes.u8(99)).toBeUndefined();
    expect(() => attributes.u8(1)).toThrow("attribute 1 has 8 bytes, not 1");
  });
});

describe("malformed replies", () => {
  it("are a MalformedError, or nothing, and never loop", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          for (const message of parseMessages(bytes)) {
            if (message.type === 2) parseOutcome(message);
            new Attributes(message.payload);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("are refused where a length lies", () => {
    const message = encodeMessage({ type: 20, flags: 0, sequence: 1, payload: new Uint8Array(4) });
    message[0] = 200;
    expect(() => parseMessages(message)).toThrow("a message of 200 bytes with 20 left");
    message[0] = 3;
    expect(() => parseMessages(message)).toThrow("a message of 3 bytes with 20 left");
    expect(() => new Attributes(Uint8Array.of(3, 0, 1, 0))).toThrow("an attribute of 3 bytes at 0");
  });
});

describe("a reply", () => {
  const message = (part: Partial<NetlinkMessage>): NetlinkMessage => ({
    type: 16,
    flags: 0,
    sequence: 5,
    payload: new Uint8Array(4),
    ...part,
  });

  it("passes over answers to other requests", () => {
    const reply = new Reply(5, false);
    expect(reply.add(message({ sequence: 4, type: 2 }))).toBe(false);
    expect(reply.add(message({}))).toBe(false);
    expect(reply.add(message({ type: 2 }))).toBe(true);
    expect(reply.messages).toHaveLength(1);
  });

  it("remembers that the dump was interrupted", () => {
    const reply = new Reply(5, true);
    reply.add(message({ flags: MESSAGE_FLAGS.dumpInterrupted }));
    expect(reply.interrupted).toBe(true);
  });
});

describe("rtnetlink", () => {
  it("dumps the links of another namespace", async () => {
    const place = netns();
    const names = (await open("route", place.path).request(dumpLinks)).map(deviceName);
    expect(names.sort()).toEqual(["left", "lo", "right"]);
  });

  it("answers many requests at once, each with its own", async () => {
    const place = netns();
    const socket = open("route", place.path);
    const one = new Uint8Array(IFINFOMSG_SIZE);
    new DataView(one.buffer).setInt32(4, place.ifindex, true);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        socket.request(i % 2 === 0 ? dumpLinks : { type: RTM_GETLINK, payload: one }),
      ),
    );
    expect(replies.map((reply) => reply.length)).toEqual(
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? 3 : 1)),
    );
    expect(replies[1]!.map(deviceName)).toEqual(["left"]);
  });

  it("gives the kernel's errno and its own words", async () => {
    const place = netns();
    const payload = Buffer.concat([
      new Uint8Array(IFINFOMSG_SIZE),
      stringAttribute(IFLA_IFNAME, "no"),
    ]);
    const socket = open("route", place.path);
    const missing = await socket.request({ type: RTM_GETLINK, payload }).catch((error) => error);
    expect(missing).toBeInstanceOf(BpfError);
    expect(missing).toMatchObject({ operation: "netlink.request 18", code: "ENODEV" });
    const RTM_NEWROUTE = 24;
    const route = Buffer.alloc(12);
    route[0] = 2;
    route[1] = 99;
    const refused = await socket
      .request({ type: RTM_NEWROUTE, flags: MESSAGE_FLAGS.create, payload: route })
      .catch((error) => error);
    expect(refused.message).toBe("netlink.request 24 route: EINVAL (Invalid prefix length)");
  });

  it("tells of links that come and go, in the subscriber's namespace", async () => {
    const place = netns();
    const events: [number, string | undefined][] = [];
    const subscription = subscribeNetlink("route", {
      netns: place.path,
      groups: [RTNLGRP_LINK],
      onMessage: (message) => events.push([message.type, deviceName(message)]),
      onOverrun: () => {},
    });
    onTestFinished(() => subscription.close());
    place.run("ip", "link", "add", "fresh", "type", "veth", "peer", "name", "peer");
    place.run("ip", "link", "del", "fresh");
    const has = (type: number) => events.some(([at, name]) => at === type && name === "fresh");
    await until("the link's creation and removal", () => has(RTM_NEWLINK) && has(RTM_DELLINK));
    subscription.close();
    subscription.close();
  });

  it("says that messages were lost, where the buffer is too small for them", async () => {
    const place = netns();
    let lost = 0;
    const subscription = subscribeNetlink("route", {
      netns: place.path,
      groups: [RTNLGRP_LINK],
      onMessage: () => {},
      onOverrun: () => {
        lost += 1;
      },
      bufferBytes: 2048,
    });
    onTestFinished(() => subscription.close());
    const script = "for i in 1 2 3 4 5 6; do ip link set left down; ip link set left up; done";
    place.run("sh", "-c", script);
    await until("an overrun", () => lost > 0);
  });

  it("fails requests that wait when it is closed, and later ones", async () => {
    const socket = open("route");
    const waiting = socket.request(dumpLinks).catch((error) => error);
    socket.close();
    socket.close();
    expect(isClosed(await waiting)).toBe(true);
    expect(isClosed(await socket.request(dumpLinks).catch((error) => error))).toBe(true);
  });

  it("is refused for a namespace or protocol that is not there", () => {
    expect(() => openNetlink("route", { netns: "/run/netns/none" })).toThrow("ENOENT");
    expect(() => openNetlink("nonsense" as "route")).toThrow("no netlink protocol");
  });
});

describe("generic netlink", () => {
  it("resolves families and their groups by name", async () => {
    const socket = open("generic");
    expect(await resolveFamily(socket, "nlctrl")).toMatchObject({ id: 16, version: 2 });
    expect((await resolveFamily(socket, "nlctrl")).groups.has("notify")).toBe(true);
    expect(await familyId(socket, "nlctrl")).toBe(16);
  });

  it("says that a family is not there", async () => {
    const missing = await familyId(open("generic"), "NO_SUCH").catch((error) => error);
    expect(isNotFound(missing)).toBe(true);
  });
});

describe("sock_diag", () => {
  it("lays a request out as inet_diag_req_v2", () => {
    const bytes = encodeInetDiagRequest(
      {
        family: "IPv4",
        protocol: "UDP",
        source: Uint8Array.of(127, 0, 0, 1),
        sourcePort: 0x1234,
        destination: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 9),
        destinationPort: 53,
        ifindex: 2,
        cookie: 0x0102n,
      },
      0x80,
    );
    expect(Buffer.from(bytes).toString("hex")).toBe(
      [
        "02110000",
        "80000000",
        "12340035",
        "7f000001000000000000000000000000",
        "0a000009000000000000000000000000",
        "02000000",
        "0201000000000000",
      ].join(""),
    );
  });

  it("destroys a connected UDP socket, once, and leaves others", async () => {
    const netlink = open("sock_diag");
    const [victim, bystander] = [dgram.createSocket("udp4"), dgram.createSocket("udp4")];
    for (const socket of [victim, bystander]) {
      socket.connect(9, "127.0.0.1");
      await once(socket, "connect");
    }
    onTestFinished(() => {
      victim.close();
      bystander.close();
    });
    const failed = once(victim, "error");
    const find = async (port: number) =>
      (await listSockets(netlink, "IPv4", "UDP")).find(({ sourcePort }) => sourcePort === port);
    const described = await find(victim.address().port);
    expect(described).toMatchObject({
      state: 1,
      destination: Uint8Array.of(127, 0, 0, 1),
      destinationPort: 9,
    });
    await destroySocket(netlink, described!);
    expect((await failed)[0]).toMatchObject({ code: "ECONNABORTED" });
    const again = await destroySocket(netlink, described!).catch((error) => error);
    expect(isNotFound(again)).toBe(true);
    expect(await find(bystander.address().port)).toBeDefined();
  });

  it("does not destroy a socket whose cookie is another's", async () => {
    const netlink = open("sock_diag");
    const socket = dgram.createSocket("udp6").on("error", () => {});
    socket.connect(9, "::1");
    await once(socket, "connect");
    onTestFinished(() => void socket.close());
    const { port } = socket.address();
    const sockets = await listSockets(netlink, "IPv6", "UDP");
    const described = sockets.find(({ sourcePort }) => sourcePort === port)!;
    const wrong = { ...described, cookie: described.cookie + 1n };
    const error = await destroySocket(netlink, wrong).catch((refusal) => refusal);
    expect(isNotFound(error)).toBe(true);
    await destroySocket(netlink, described);
  });

  it("destroys a TCP connection", async () => {
    const netlink = open("sock_diag");
    const server = createServer((peer) => peer.on("error", () => {}));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(client, "connect");
    const failed = once(client, "error");
    const sockets = await listSockets(netlink, "IPv4", "TCP");
    // The same source port may stand in TIME_WAIT towards another destination.
    const described = sockets.find(
      ({ sourcePort, destinationPort }) =>
        sourcePort === client.localPort && destinationPort === client.remotePort,
    )!;
    expect(described.state).toBe(1);
    await destroySocket(netlink, described);
    expect((await failed)[0]).toMatchObject({ code: "ECONNABORTED" });
  });

  it("refuses addresses and ports that are none", async () => {
    const netlink = open("sock_diag");
    const id = {
      family: "IPv4",
      protocol: "UDP",
      source: new Uint8Array(4),
      sourcePort: 1,
      destination: new Uint8Array(4),
      destinationPort: 1,
    } as const;
    await expect(destroySocket(netlink, { ...id, source: new Uint8Array(5) })).rejects.toThrow(
      "an IPv4 address has 4 bytes, not 5",
    );
    await expect(destroySocket(netlink, { ...id, sourcePort: 70_000 })).rejects.toThrow("no port");
  });
});
