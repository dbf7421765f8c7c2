import { beforeEach, describe, expect, it } from "vitest";
import { type FlowQuery, listFlows } from "../../agent/datapath/flow_list.ts";
import {
  backendCodec,
  type Codec,
  FlowFlag,
  FlowTcp,
  frontendCodec,
  frontendKeyCodec,
  serviceCodec,
  serviceNameCodec,
} from "../../bpf/build/layout.ts";
import { addressOf, entriesOf, type FlowSpec } from "./flow_entries.ts";
import { FlowTable } from "./flow_table.ts";

const { TCP_SYN: SYN, TCP_ACK: ACK, TCP_FIN: FIN } = FlowTcp;
const names: Readonly<Record<number, string>> = { 4: "eth1", 9: "veth7" };

/** Through a NodePort of shop/web to a backend on another node. */
const masqueraded: FlowSpec = {
  protocol: 6,
  client: ["198.51.100.7", 40_001],
  frontend: ["192.0.2.1", 30_080],
  backend: ["10.1.1.9", 8080],
  masquerade: ["10.0.0.1", 61_001],
  service: 7,
  backendIndex: 3,
  request: SYN | ACK,
  reply: SYN | ACK,
  requestIdle: 30,
  replyIdle: 20,
  device: 4,
  replyDevice: 9,
  flags: FlowFlag.PEER,
};

/** To a backend of the same port on this node. */
const local: FlowSpec = {
  protocol: 17,
  client: ["2001:db8::7", 40_002],
  frontend: ["2001:db8:1::1", 53],
  backend: ["fd00:10:244::5", 5353],
  service: 8,
  backendIndex: 5,
  reply: ACK,
  requestIdle: 5,
};

let table: FlowTable;
const put = <T>(map: string, index: number, codec: Codec<T>, value: T) => {
  const bytes = new Uint8Array(codec.size);
  codec.encode(value, bytes);
  table.object.map(map).update(new Uint8Array(Uint32Array.of(index).buffer), bytes);
};
const putService = (index: number, name: string, algorithm: number, affinitySeconds: number) => {
  const counts = { cluster: 0n, local: 0n, generation: 1, protocol: 6 };
  put("services", index, serviceCodec, { ...counts, algorithm, affinitySeconds, flags: 1 });
  put("service_names", index, serviceNameCodec, {
    ...{ nameSpace: "shop", name, portName: "http", family: 4, protocol: 6, port: 80 },
  });
};
const putFrontend = (
  address: string,
  port: number,
  protocol: number,
  service: number,
  scope = 0,
) => {
  const key = new Uint8Array(frontendKeyCodec.size);
  frontendKeyCodec.encode({ address: addressOf(address), port, protocol, scope }, key);
  const value = new Uint8Array(frontendCodec.size);
  frontendCodec.encode({ service, kind: 0, flags: 0 }, value);
  table.object.map("frontends").update(key, value);
};
const list = (query: Partial<FlowQuery> = {}) =>
  listFlows(
    (name) => table.object.map(name),
    { limit: 10, ...query },
    (index) => names[index],
  );
const clients = (query: Partial<FlowQuery> = {}) =>
  list(query).flows.map(({ client }) => client.address);

beforeEach(() => {
  table = FlowTable.open();
  putService(7, "web", 1, 10_800);
  putService(8, "dns", 0, 0);
  putFrontend("0.0.0.0", 30_080, 6, 7, 1);
  putFrontend("2001:db8:1::1", 53, 17, 8);
});

describe("the flows of the maps", () => {
  it("say which client got which backend, by which Service and paths, and how far they are", () => {
    table.put(masqueraded, local);
    const { flows, matched } = list();
    expect(matched).toBe(2);
    expect(flows).toEqual([
      {
        protocol: "UDP",
        client: { address: "2001:db8::7", port: 40_002 },
        frontend: { address: "2001:db8:1::1", port: 53 },
        backend: { address: "fd00:10:244::5", port: 5353 },
        masquerade: null,
        service: {
          namespace: "shop",
          name: "dns",
          portName: "http",
          algorithm: "random",
          affinityTimeoutSeconds: 0,
        },
        state: "stream",
        idleSeconds: expect.toSatisfy((it: number) => it >= 5 && it <= 8),
        requestPath: { kind: "stack", device: null },
        replyPath: { kind: "stack", device: null },
      },
      {
        protocol: "TCP",
        client: { address: "198.51.100.7", port: 40_001 },
        frontend: { address: "192.0.2.1", port: 30_080 },
        backend: { address: "10.1.1.9", port: 8080 },
        masquerade: { address: "10.0.0.1", port: 61_001 },
        service: {
          namespace: "shop",
          name: "web",
          portName: "http",
          algorithm: "maglev",
          affinityTimeoutSeconds: 10_800,
        },
        state: "established",
        // 20 ticks of 1.07 s: the later direction counts.
        idleSeconds: expect.toSatisfy((it: number) => it >= 20 && it <= 24),
        requestPath: { kind: "peer", device: "eth1" },
        replyPath: { kind: "peer", device: "veth7" },
      },
    ]);
  });

  it("show a neighbour by its device, by the index of one that has gone, and what was evicted", () => {
    const [request] = entriesOf({ ...masqueraded, flags: 0, device: 77 });
    table.putEntries([request]);
    expect(list().flows[0]).toMatchObject({
      requestPath: { kind: "neighbour", device: "77" },
      replyPath: null,
      state: "opening",
    });
  });

  it("show a changed port as masquerading too", () => {
    table.put({ ...local, masquerade: ["2001:db8::7", 61_002] });
    expect(list().flows[0]?.masquerade).toEqual({ address: "2001:db8::7", port: 61_002 });
  });

  it("are those that were asked for", () => {
    const other: FlowSpec = { ...masqueraded, client: ["198.51.100.8", 1], requestIdle: 40 };
    table.put(masqueraded, local, { ...other, masquerade: ["10.0.0.1", 61_002] });
    expect(clients({ service: { namespace: "shop", name: "web" } })).toEqual([
      "198.51.100.7",
      "198.51.100.8",
    ]);
    expect(clients({ service: { namespace: "shop", name: "none" } })).toEqual([]);
    expect(clients({ client: "198.51.100.8" })).toEqual(["198.51.100.8"]);
    expect(clients({ backend: "fd00:10:244::5" })).toEqual(["2001:db8::7"]);
    expect(clients({ backend: "10.1.1.9", client: "2001:db8::7" })).toEqual([]);
  });

  it("are the latest used, where there are more than are asked for", () => {
    const many = Array.from({ length: 300 }, (_, n) => ({
      ...masqueraded,
      client: ["198.51.100.7", n] as const,
      masquerade: ["10.0.0.1", n] as const,
      requestIdle: 1000 - n,
    }));
    table.put(...many);
    const { flows, matched } = list({ limit: 3 });
    expect(matched).toBe(300);
    expect(flows.map(({ client }) => client.port)).toEqual([299, 298, 297]);
  });

  it("name no Service that may not be theirs: neither frontend nor backend says so (PF-27)", () => {
    const byBackend = { ...masqueraded, frontend: ["192.0.2.2", 80] as const };
    table.put(byBackend);
    expect(list().flows[0]?.service).toBeNull();
    const address = addressOf("10.1.1.9");
    const backend = { address, port: 8080, flags: 1, service: 7, generation: 1 };
    put("backends", 3, backendCodec, backend);
    expect(list().flows[0]?.service).toMatchObject({ name: "web" });
    put("backends", 3, backendCodec, { ...backend, generation: 2 });
    expect(list().flows[0]?.service).toBeNull();
  });

  it("are closing once one side has said so", () => {
    table.put({ ...masqueraded, reply: SYN | ACK | FIN });
    expect(list().flows[0]?.state).toBe("closing");
  });
});
