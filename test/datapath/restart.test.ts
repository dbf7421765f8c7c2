import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { BpfLink, createMap } from "libbpf-ts";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startLoad } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { ask } from "./ask.ts";
import { removeService, type ServiceSpec, tcp, udp, writeService } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";
import { type RemoteSocket, Sockets } from "./sockets.ts";

const vip4 = "10.96.5.1";
const vip6 = "fd00:96::5:1";

describe("when the agent is killed", () => {
  let served: ServedNode;
  let client: TestPod;
  let one: TestPod;
  let sockets: Sockets;
  let service: ServiceSpec;

  beforeAll(async () => {
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    one = await served.backend("one", { tcp: [8080], udp: [8080] });
    sockets = await Sockets.start(client);
    service = {
      name: "web",
      ip4: vip4,
      ip6: vip6,
      ports: [tcp(80, 8080), udp(80, 8080)],
      endpoints: [{ pod: one }],
    };
    for (const n of [2, 3, 4, 5]) {
      const more = { name: `web-${n}`, ip4: `10.96.5.${n}`, ip6: `fd00:96::5:${n}` };
      await served.publish({ ...service, ...more, affinitySeconds: 10 });
    }
  });
  beforeEach(() => served.publish(service));
  afterAll(async () => {
    await sockets?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const everyKind = async () => [
    await ask(client, "tcp", vip4, 80),
    await ask(client, "tcp", vip6, 80),
    await ask(client, "udp", vip4, 80),
    await ask(client, "udp", vip6, 80, { unconnected: true }),
    await ask(served.node, "tcp", `::ffff:${vip4}`, 80),
  ];
  const served4 = { backend: "one", peer: `${vip4}:80` };
  const served6 = { backend: "one", peer: `[${vip6}]:80` };
  const mapped = { backend: "one", peer: `[::ffff:${vip4}]:80` };
  const allServed = [served4, served6, served4, served6, mapped];
  const links = () => {
    const folder = join(served.agent.pinPath, "links");
    return readdirSync(folder)
      .sort()
      .map((name) => {
        using link = BpfLink.openPinned(join(folder, name));
        return { name, id: link.info.id, programId: link.info.programId };
      });
  };
  const echoes = async (socket: RemoteSocket, text: string) => {
    await socket.send(text);
    expect(await socket.receive()).toMatchObject({ backend: text });
  };

  it("new connections are translated, and old ones go on (KP-04, PF-04)", async () => {
    const overTcp = await sockets.connected("tcp", vip6, 80);
    const overUdp = await sockets.connected("udp", vip4, 80);
    await overTcp.receive();
    await served.agent.kill();
    expect(await everyKind()).toEqual(allServed);
    await echoes(overTcp, "unattended");
    expect(await overUdp.request()).toEqual({ backend: "one", from: `${vip4}:80` });
    expect(await overTcp.peer()).toBe(`[${vip6}]:80`);
    await served.agent.begin();
    await echoes(overTcp, "attended");
    await overTcp.close();
    await overUdp.close();
  });

  it("the next one adopts all that stands and writes nothing (PF-02)", async () => {
    const before = await served.agent.services();
    await served.agent.kill();
    await served.agent.begin();
    const { sync, datapath } = await served.agent.status();
    expect(sync).toMatchObject({
      ready: true,
      services: 20,
      frontends: 20,
      backends: 20,
      writes: { frontends: 0, services: 0, slots: 0, backends: 0 },
    });
    expect(datapath.programs.every(({ attached }) => attached)).toBe(true);
    const identity = before.map(({ stats: _, ...rest }) => rest);
    const after = await served.agent.services();
    expect(after.map(({ stats: _, ...rest }) => rest)).toEqual(identity);
    expect(await everyKind()).toEqual(allServed);
  });

  it("the next one replaces the programs in place: no link is made anew (PF-04, PF-05)", async () => {
    const before = links();
    const sockets4 = await sockets.connected("tcp", vip4, 80);
    const datagrams6 = await sockets.open("udp", 6);
    await datagrams6.sendTo(vip6, 80);
    await served.agent.kill();
    await served.agent.begin();
    const after = links();
    const devices = after.filter(({ name }) => /-\d+$/.test(name));
    expect(after.length - devices.length).toBe(9);
    expect(devices.length).toBeGreaterThanOrEqual(4);
    expect(after.map(({ name, id }) => [name, id])).toEqual(
      before.map(({ name, id }) => [name, id]),
    );
    expect(after.every((each, at) => each.programId !== before[at]?.programId)).toBe(true);
    expect(await sockets4.peer()).toBe(`${vip4}:80`);
    expect(await datagrams6.receive()).toEqual({ backend: "one", from: `[${vip6}]:80` });
    await sockets4.close();
    await datagrams6.close();
  });

  it("no connect fails from before the kill until after the restart (PF-04)", async () => {
    const to = { protocol: "tcp", address: vip4, port: 80 } as const;
    const overTcp = await startLoad(client, to, { gapUs: 200, summary: true });
    const overUdp = await startLoad(
      client,
      { ...to, address: vip6, protocol: "udp" },
      { gapUs: 200, summary: true },
    );
    for (let n = 0; n < 3; n++) {
      await served.agent.kill();
      await served.agent.begin();
    }
    const { ok, failed, backends } = await overTcp.stop();
    const datagrams = await overUdp.stop();
    expect({ failed, failedDatagrams: datagrams.failed }).toEqual({
      failed: 0,
      failedDatagrams: 0,
    });
    expect(Object.keys(backends)).toEqual(["one"]);
    expect(ok).toBeGreaterThan(500);
    expect(datagrams.ok).toBeGreaterThan(500);
  });

  it("what was deleted meanwhile serves until the next one starts, and no longer (PF-02)", async () => {
    const brief: ServiceSpec = {
      name: "brief",
      ip4: "10.96.5.9",
      ip6: "fd00:96::5:9",
      ports: [udp(80, 8080)],
      endpoints: [{ pod: one }],
    };
    await served.publish(brief);
    await served.agent.kill();
    await removeService(served.folder, "brief");
    expect(await ask(client, "udp", "fd00:96::5:9", 80)).toMatchObject({ backend: "one" });
    await served.agent.begin();
    await until(async () => (await served.service("brief")).length === 0, {
      deadlineMs: 10_000,
      describe: "the deleted Service to leave the maps",
    });
    expect(await ask(client, "udp", "fd00:96::5:9", 80)).toBe("EACCES");
    expect(await everyKind()).toEqual(allServed);
  });

  it("what was added or changed meanwhile is served by the next one (PF-02)", async () => {
    const two = await served.backend("two", { tcp: [8080], udp: [8080] });
    await served.agent.kill();
    const added = { ...service, name: "added", ip4: "10.96.5.10", ip6: "fd00:96::5:10" };
    await writeService(served.folder, added);
    await writeService(served.folder, { ...service, endpoints: [{ pod: two }] });
    await served.agent.begin();
    expect(await ask(client, "tcp", "10.96.5.10", 80)).toMatchObject({ backend: "one" });
    expect(await ask(client, "tcp", vip4, 80)).toMatchObject({ backend: "two" });
    const { writes } = (await served.agent.status()).sync;
    // Four ports at two addresses were added and four given another endpoint; twenty stand as they
    // stood. An address takes a frontend more, by which its other ports are refused.
    expect(writes).toMatchObject({ frontends: 6, backends: 12 });
    await served.remove("added");
  });

  it("the maps of an agent with another layout are refused, with what to do", async () => {
    await served.agent.kill();
    using state = served.map("agent_state");
    const key = new Uint8Array(4);
    const ours = state.lookup(key) ?? new Uint8Array();
    state.update(key, new Uint8Array(8).fill(7));
    const child = served.agent.launch();
    expect(await child.exited).toMatchObject({ code: 1 });
    expect(child.stderr).toContain(join(served.agent.pinPath, "maps/agent_state"));
    expect(child.stderr).toMatch(/another layout: .*sluice cleanup.*--pin-path/);
    expect(await everyKind()).toEqual(allServed);
    state.update(key, ours);
    await served.agent.begin();
    expect(await everyKind()).toEqual(allServed);
  });

  it("a pinned map of another shape is refused by its name, and nothing is lost", async () => {
    await served.agent.kill();
    const path = join(served.agent.pinPath, "maps/affinities");
    renameSync(path, `${path}-kept`);
    using other = createMap({ type: "lru_hash", keySize: 8, valueSize: 8, maxEntries: 16 });
    other.pin(path);
    const child = served.agent.launch();
    expect(await child.exited).toMatchObject({ code: 1 });
    expect(child.stderr).toContain(path);
    expect(child.stderr).toMatch(/another layout: .*sluice cleanup.*--pin-path/);
    expect(await everyKind()).toEqual(allServed);
    renameSync(`${path}-kept`, path);
    await served.agent.begin();
    expect((await served.agent.status()).sync.writes).toMatchObject({
      frontends: 0,
      services: 0,
      slots: 0,
      backends: 0,
    });
  });
});
