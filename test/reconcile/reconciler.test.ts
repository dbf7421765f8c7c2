import { describe, expect, it } from "vitest";
import type { DesiredService, Frontend } from "../../agent/compile/records.ts";
import { packSlice, unpackSlice } from "../../agent/datapath/slice.ts";
import { keyOfRange } from "../../agent/datapath/source_range.ts";
import { type Client, Twin, type TwinCapacity } from "../../agent/datapath/twin.ts";
import type { FaultPlan } from "../../agent/datapath/twin_maps.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { noWrites } from "../../agent/reconcile/writes.ts";
import { backend, desired, udp } from "./desired.ts";
import { dumpMaps } from "./dump.ts";

const capacity: TwinCapacity = { services: 8, backends: 16, slots: 64, frontends: 16 };

async function adopt(twin: Twin, maglevTableSize = 251): Promise<Reconciler> {
  const adopting = Reconciler.adopt(twin, { maglevTableSize });
  twin.elapse();
  return adopting;
}

async function start(
  sizes: Partial<TwinCapacity> = {},
  faults?: FaultPlan,
  maglevTableSize?: number,
) {
  const twin = new Twin({ ...capacity, ...sizes }, faults);
  return { twin, reconciler: await adopt(twin, maglevTableSize) };
}

/** Ends the grace period that runs. */
async function elapse(twin: Twin, reconciler: Reconciler): Promise<void> {
  const reclaimed = reconciler.reclaimed();
  expect(twin.elapse()).toBe(1);
  await reclaimed;
}

const WEB = "default/web:/TCP/IPv4";
const web = (...endpoints: string[]) => desired("web", "10.96.0.1", endpoints);

describe("what one change costs", () => {
  it("counts every entry that it writes, once", async () => {
    const { reconciler } = await start();
    const result = reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80")]);
    expect(result).toEqual({
      published: 1,
      failures: [],
      waiting: 0,
      retiredUdp: false,
      writes: {
        services: 1,
        backends: 2,
        slots: 2,
        names: 1,
        frontends: 2,
        sourceRanges: 0,
        serviceCidrs: 0,
      },
    });
  });

  it("is nothing where nothing changed, in whatever order it comes (PF-09)", async () => {
    const { reconciler } = await start();
    reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80", "10.1.0.3:80")]);
    const before = reconciler.writes;
    const result = reconciler.apply([web("10.1.0.3:80", "10.1.0.1:80", "10.1.0.2:80")]);
    expect(result.published).toBe(0);
    expect(reconciler.writes).toEqual(before);
  });

  it("is one store where only the state of an endpoint changed", async () => {
    const { reconciler } = await start();
    reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80")]);
    const draining = { ...backend("10.1.0.2:80"), ready: false, terminating: true };
    const result = reconciler.apply([{ ...web(), backends: [backend("10.1.0.1:80"), draining] }]);
    expect(result.writes).toEqual({ ...noWrites, backends: 1 });
  });

  it("keeps the records and the indices of endpoints that stay", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80")]);
    reconciler.apply([web("10.1.0.2:80", "10.1.0.3:80")]);
    const ports = [0, 1, 2].map((index) => [...twin.backends.address(index).slice(12)].join("."));
    expect(ports).toEqual(["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    expect([0, 1, 2].map((index) => twin.backends.generation(index))).toEqual([1, 1, 1]);
    expect(twin.backends.flags(0)).toBe(0);
  });
});

describe("what was retired", () => {
  it("is dead at once, and free only after a grace period (PF-01)", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([web("10.1.0.1:80")]);
    reconciler.apply([web("10.1.0.2:80")]);
    expect(twin.backends.flags(0)).toBe(0);
    expect(reconciler.usage.backends.entries).toBe(2);
    expect(reconciler.usage.slots.entries).toBe(2);
    await elapse(twin, reconciler);
    expect(reconciler.usage.backends.entries).toBe(1);
    expect(reconciler.usage.slots.entries).toBe(1);
  });

  it("gets a new generation with its next owner (PF-27)", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([web("10.1.0.1:80")]);
    expect([twin.services.generation(0), twin.backends.generation(0)]).toEqual([1, 1]);
    reconciler.apply([], [WEB]);
    await elapse(twin, reconciler);
    reconciler.apply([desired("shop", "10.96.0.2", ["10.1.0.1:80"])]);
    expect([twin.services.generation(0), twin.backends.generation(0)]).toEqual([2, 2]);
  });

  it("waits in one grace period at a time", async () => {
    const { twin, reconciler } = await start();
    for (const last of [1, 2, 3, 4]) reconciler.apply([web(`10.1.0.${last}:80`)]);
    const reclaimed = reconciler.reclaimed();
    expect(twin.elapse()).toBe(1);
    await reclaimed;
    expect(reconciler.usage.backends.entries).toBe(3);
    await elapse(twin, reconciler);
    expect(reconciler.usage.backends.entries).toBe(1);
    expect(twin.elapse()).toBe(0);
  });

  it("is said for UDP, whose sockets may cling to it (PF-20)", async () => {
    const { reconciler } = await start();
    const dns = (...endpoints: string[]) => udp(desired("dns", "10.96.0.3", endpoints));
    expect(reconciler.apply([dns("10.1.0.1:53"), web("10.1.0.1:80")]).retiredUdp).toBe(false);
    expect(reconciler.apply([dns("10.1.0.1:53", "10.1.0.2:53")]).retiredUdp).toBe(false);
    expect(reconciler.apply([web()]).retiredUdp).toBe(false);
    expect(reconciler.apply([dns("10.1.0.2:53")]).retiredUdp).toBe(true);
    expect(reconciler.apply([], ["default/dns:/UDP/IPv4"]).retiredUdp).toBe(true);
  });

  it("is said for UDP that moves off a backend which stays in the other slice (PF-24)", async () => {
    const { reconciler } = await start();
    const dns = udp(desired("dns", "10.96.0.3", []));
    const both = { ...backend("10.1.0.1:53"), inLocal: true };
    reconciler.apply([{ ...dns, backends: [both] }]);
    const result = reconciler.apply([{ ...dns, backends: [{ ...both, inCluster: false }] }]);
    expect(result.retiredUdp).toBe(true);
  });
});

describe("frontends beside the ClusterIP", () => {
  const external = (kind: Frontend["kind"], address: string, port: number): Frontend => ({
    kind,
    address,
    port,
  });
  const clusterIP = external("ClusterIP", "10.96.0.1", 80);
  const balancer = external("LoadBalancer", "192.0.2.9", 80);
  const nodePort = (port: number) => external("NodePort", "0.0.0.0", port);
  const at = (...frontends: Frontend[]): DesiredService => ({ ...web("10.1.0.1:80"), frontends });
  const limited = (...sourceRanges: string[]): DesiredService => ({
    ...at(clusterIP, balancer),
    sourceRanges,
  });
  const kindOf = (twin: Twin, address: string, port: number, client: Client = {}) =>
    twin.lookup(address, port, "TCP", () => 0, client).kind;
  const ask = (twin: Twin, address: string) => kindOf(twin, "192.0.2.9", 80, { address });

  it("answer by their kind, and refuse every other port but at the node's own addresses (KP-26, KP-31, PF-30)", async () => {
    const { twin, reconciler } = await start();
    twin.nodeAddresses.add("172.16.0.1").add("192.0.2.9");
    reconciler.apply([at(clusterIP, external("ExternalIP", "192.0.2.8", 80), nodePort(30_080))]);
    expect(kindOf(twin, "192.0.2.8", 80)).toBe("backend");
    expect(kindOf(twin, "172.16.0.1", 30_080)).toBe("backend");
    expect(kindOf(twin, "172.16.0.1", 30_081)).toBe("unknown");
    expect(kindOf(twin, "172.16.0.2", 30_080)).toBe("unknown");
    expect(kindOf(twin, "10.96.0.1", 81)).toBe("unserved");
    expect(kindOf(twin, "192.0.2.8", 30_080)).toBe("unserved");
    reconciler.apply([at(clusterIP, balancer)]);
    expect(kindOf(twin, "192.0.2.9", 80)).toBe("backend");
    expect(kindOf(twin, "192.0.2.9", 81)).toBe("unknown");
    expect(kindOf(twin, "192.0.2.8", 81)).toBe("unknown");
  });

  it("are rewritten in place where only their kind changes", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([at(clusterIP, balancer)]);
    const external = { ...balancer, kind: "ExternalIP" } as const;
    expect(reconciler.apply([at(clusterIP, external)]).writes).toEqual({
      ...noWrites,
      frontends: 1,
    });
    expect(dumpMaps(twin)).toContain("at 192.0.2.9:80/TCP (ExternalIP)\n");
  });

  it("count apart from what refuses beside them, which takes room all the same", async () => {
    const { reconciler } = await start();
    reconciler.apply([at(clusterIP, balancer, nodePort(30_080))]);
    expect(reconciler.frontends).toBe(3);
    expect(reconciler.usage.frontends).toEqual({ entries: 5, capacity: 16 });
  });

  it("are looked for between the lowest and the highest NodePort, found anew by each agent", async () => {
    const { twin, reconciler } = await start();
    expect(twin.nodePorts.bounds()).toEqual({ first: 1, last: 0 });
    reconciler.apply([at(clusterIP, nodePort(30_500))]);
    expect(twin.nodePorts.bounds()).toEqual({ first: 30_500, last: 30_500 });
    reconciler.apply([at(clusterIP, nodePort(30_080), nodePort(30_090))]);
    expect(twin.nodePorts.bounds()).toEqual({ first: 30_080, last: 30_500 });
    const next = await adopt(twin);
    next.apply([at(clusterIP, nodePort(30_080), nodePort(30_090))]);
    expect(twin.nodePorts.bounds()).toEqual({ first: 30_080, last: 30_500 });
    next.finishFirstSync(new Set([WEB]));
    expect(twin.nodePorts.bounds()).toEqual({ first: 30_080, last: 30_090 });
    next.finishFirstSync(new Set());
    expect(twin.nodePorts.bounds()).toEqual({ first: 1, last: 0 });
  });

  it("let in those whom source ranges name, at the balancer's address alone (KP-23, KP-24)", async () => {
    const { twin, reconciler } = await start();
    const ranges = ["198.51.100.0/25", "2001:db8::/32"];
    const known = external("ExternalIP", "192.0.2.8", 80);
    reconciler.apply([{ ...at(clusterIP, known, balancer), sourceRanges: ranges }]);
    expect(ask(twin, "198.51.100.127")).toBe("backend");
    expect(ask(twin, "198.51.100.128")).toBe("denied");
    expect(ask(twin, "2001:db8:ffff::1")).toBe("backend");
    expect(ask(twin, "2001:db9::1")).toBe("denied");
    expect(kindOf(twin, "192.0.2.8", 80, { address: "203.0.113.1" })).toBe("backend");
    expect(kindOf(twin, "10.96.0.1", 80, { address: "203.0.113.1" })).toBe("backend");
  });

  it("let in nobody where no range is left", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([limited()]);
    expect(ask(twin, "198.51.100.1")).toBe("denied");
  });

  it("keep the ranges that a program may still read, until a grace period has ended (KP-24)", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([limited("198.51.100.0/24")]);
    expect(reconciler.apply([at(clusterIP, balancer)]).waiting).toBe(1);
    expect(ask(twin, "203.0.113.1")).toBe("backend");
    expect(reconciler.retry().waiting).toBe(1);
    expect(reconciler.usage.source_ranges.entries).toBe(1);
    await elapse(twin, reconciler);
    expect(reconciler.retry()).toMatchObject({ waiting: 0, writes: { sourceRanges: 1 } });
    expect(reconciler.usage.source_ranges.entries).toBe(0);
  });

  it("are limited to the latest ranges where these come back before that", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([limited("198.51.100.0/24")]);
    reconciler.apply([at(clusterIP, balancer)]);
    reconciler.apply([limited("203.0.113.0/24")]);
    await elapse(twin, reconciler);
    reconciler.retry();
    expect(dumpMaps(twin)).toContain("open to: 203.0.113.0/24\n");
    expect(ask(twin, "198.51.100.1")).toBe("denied");
    expect(ask(twin, "203.0.113.1")).toBe("backend");
  });

  it("stay as they are while their ranges cannot be written, and no one else suffers (PF-08)", async () => {
    let broken = true;
    const { twin, reconciler } = await start({}, (map) =>
      broken && map === "source_ranges" ? 0 : undefined,
    );
    const shop = desired("shop", "10.96.0.2", ["10.2.0.1:80"]);
    const { failures } = reconciler.apply([limited("198.51.100.0/24"), shop]);
    expect(failures).toEqual([
      { key: WEB, code: "write", message: "source_ranges: injected fault" },
    ]);
    expect(kindOf(twin, "192.0.2.9", 80)).toBe("unknown");
    expect(kindOf(twin, "10.96.0.1", 80)).toBe("backend");
    expect(kindOf(twin, "10.96.0.2", 80)).toBe("backend");
    broken = false;
    reconciler.retry();
    expect(ask(twin, "198.51.100.1")).toBe("backend");
    broken = true;
    reconciler.apply([], [WEB]);
    expect(reconciler.failures).toHaveLength(1);
    broken = false;
    reconciler.retry();
    expect(dumpMaps(twin)).not.toContain("default/web");
    expect(reconciler.usage.source_ranges.entries).toBe(0);
  });

  it("do not open to the ranges of a former owner of their index", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([limited("198.51.100.0/24")]);
    const service = [...twin.sourceRanges.entries()][0]!.service;
    const shop = desired("shop", "10.96.0.2", ["10.2.0.1:80"]);
    reconciler.apply([], [WEB]);
    await elapse(twin, reconciler);
    twin.sourceRanges.add([keyOfRange(service, "198.51.100.0/24")]);
    const next = await adopt(twin);
    expect(next.findings).toEqual([
      { target: "source_ranges", message: "1 services with ranges are not in use" },
    ]);
    next.apply([{ ...shop, frontends: [balancer], sourceRanges: ["203.0.113.0/24"] }]);
    expect(twin.services.flags(service)).not.toBe(0);
    expect(ask(twin, "198.51.100.1")).toBe("denied");
    expect(ask(twin, "203.0.113.1")).toBe("backend");
  });
});

describe("the slots of a slice", () => {
  const spreadBy = (algorithm: DesiredService["algorithm"], weights: readonly number[]) => ({
    ...web(),
    algorithm,
    backends: weights.map((weight, at) => ({ ...backend(`10.1.0.${at + 1}:80`), weight })),
  });
  const slotsOf = (twin: Twin) => {
    const { offset, count } = unpackSlice(twin.services.cluster(0));
    return [...twin.slots.subarray(offset, offset + count)];
  };

  it("are put right where a table's are changed about, though each has as many", async () => {
    const { twin, reconciler } = await start({ slots: 1024 }, undefined, 251);
    const maglev = spreadBy("maglev", [1, 1, 2]);
    reconciler.apply([maglev]);
    const table = slotsOf(twin);
    expect(table).toHaveLength(251);
    const { offset } = unpackSlice(twin.services.cluster(0));
    const other = table.findIndex((index) => index !== table[0]);
    twin.slots[offset] = table[other]!;
    twin.slots[offset + other] = table[0]!;
    const next = await adopt(twin, 251);
    expect(next.findings).toEqual([]);
    expect(next.apply([maglev]).writes).toMatchObject({ slots: 251, services: 1, backends: 0 });
    expect(slotsOf(twin)).toEqual(table);
  });

  it("may stand in any order where any of them is picked", async () => {
    const { twin, reconciler } = await start();
    reconciler.apply([spreadBy("random", [1, 2])]);
    expect(slotsOf(twin)).toEqual([0, 1, 1]);
    const { offset } = unpackSlice(twin.services.cluster(0));
    twin.slots.set([1, 0, 1], offset);
    const next = await adopt(twin);
    expect(next.findings).toEqual([]);
    expect(next.apply([spreadBy("random", [1, 2])]).published).toBe(0);
    expect(next.apply([spreadBy("random", [2, 1])]).writes).toMatchObject({ slots: 3 });
  });

  it("follow the size of the table that the next agent is given", async () => {
    const { twin, reconciler } = await start({ slots: 2048 }, undefined, 251);
    reconciler.apply([spreadBy("maglev", [1, 1])]);
    const next = await adopt(twin, 509);
    next.apply([spreadBy("maglev", [1, 1])]);
    expect(slotsOf(twin)).toHaveLength(509);
    expect(next.usage.slots.entries).toBe(251 + 509);
    await elapse(twin, next);
    expect(next.usage.slots.entries).toBe(509);
  });
});

describe("a map that is full (PF-08)", () => {
  it("makes a Service wait while space is about to come free, and no failure of it", async () => {
    const { twin, reconciler } = await start({ backends: 2 });
    reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80")]);
    const result = reconciler.apply([desired("shop", "10.96.0.2", ["10.1.0.3:80"])], [WEB]);
    expect(result).toMatchObject({ waiting: 1, failures: [] });
    expect(reconciler.failures).toEqual([]);
    await elapse(twin, reconciler);
    expect(reconciler.retry()).toMatchObject({ waiting: 0, failures: [], published: 1 });
    expect(dumpMaps(twin)).toContain("cluster: 10.1.0.3:80");
  });

  it("is called full after two grace periods that did not help", async () => {
    const { twin, reconciler } = await start({ backends: 2 });
    reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80")]);
    reconciler.apply([web("10.1.0.2:80")]);
    const big = desired("big", "10.96.0.2", ["10.2.0.1:80", "10.2.0.2:80"]);
    expect(reconciler.apply([big]).waiting).toBe(1);
    await elapse(twin, reconciler);
    expect(reconciler.apply([web("10.1.0.3:80")]).waiting).toBe(0);
    expect(reconciler.retry().waiting).toBe(1);
    await elapse(twin, reconciler);
    reconciler.apply([web("10.1.0.4:80")]);
    const { waiting, failures } = reconciler.retry();
    expect(waiting).toBe(0);
    expect(failures).toEqual([
      {
        key: "default/big:/TCP/IPv4",
        code: "full",
        message:
          'the map backends has no room left in its 2 entries: raise --max-endpoints, which takes effect after "sluice cleanup"',
      },
    ]);
  });

  it("names slots too", async () => {
    const { reconciler } = await start({ slots: 1 });
    const { failures } = reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80")]);
    expect(failures.map(({ message }) => message)).toEqual([
      'the map slots has no room left in its 1 entries: raise --max-slots, which takes effect after "sluice cleanup"',
    ]);
    expect(reconciler.usage.services.entries).toBe(0);
    expect(reconciler.usage.backends.entries).toBe(0);
  });

  it("forgets a Service that found no room and is gone", async () => {
    const { reconciler } = await start({ slots: 1 });
    reconciler.apply([web("10.1.0.1:80", "10.1.0.2:80")]);
    expect(reconciler.keysOf("default/web")).toEqual([WEB]);
    reconciler.apply([], [WEB]);
    expect(reconciler.keysOf("default/web")).toEqual([]);
    expect(reconciler.failures).toEqual([]);
  });
});

describe("two Services that want one address", () => {
  it("leave it to the lower name where nobody holds it", async () => {
    const { twin, reconciler } = await start();
    const { failures } = reconciler.apply([
      desired("b", "10.96.0.1", ["10.1.0.2:80"]),
      desired("a", "10.96.0.1", ["10.1.0.1:80"]),
    ]);
    expect(failures).toEqual([
      {
        key: "default/b:/TCP/IPv4",
        code: "conflict",
        message:
          "10.96.0.1:80/TCP already belongs to default/a:/TCP/IPv4: " +
          "give one of the two another address or port",
      },
    ]);
    expect(twin.lookup("10.96.0.1", 80, "TCP", () => 0)).toMatchObject({ address: "10.1.0.1" });
  });
});

describe("a write that fails", () => {
  it("fails its own Service, and the others of the batch go through", async () => {
    const faults = [1];
    const { twin, reconciler } = await start({}, (map) =>
      map === "frontends" ? faults.pop() : undefined,
    );
    const services = ["a", "b", "c"].map((name, at) => desired(name, `10.96.0.${at}`, []));
    const { failures } = reconciler.apply(services);
    expect(failures).toEqual([
      { key: "default/b:/TCP/IPv4", code: "write", message: "frontends: injected fault" },
    ]);
    const answered = ["10.96.0.0", "10.96.0.1", "10.96.0.2"].map(
      (address) => twin.lookup(address, 80, "TCP", () => 0).kind,
    );
    expect(answered).toEqual(["refused", "unknown", "refused"]);
    expect(reconciler.retry().writes).toMatchObject({ frontends: 2 });
    expect(reconciler.failures).toEqual([]);
  });

  it("keeps a Service whole that cannot be taken away yet", async () => {
    let broken = false;
    const { twin, reconciler } = await start({}, () => (broken ? 0 : undefined));
    reconciler.apply([web("10.1.0.1:80")]);
    broken = true;
    const { failures } = reconciler.apply([], [WEB]);
    expect(failures).toEqual([{ key: WEB, code: "write", message: "frontends: injected fault" }]);
    expect(twin.lookup("10.96.0.1", 80, "TCP", () => 0)).toMatchObject({ retired: false });
    broken = false;
    reconciler.retry();
    expect(dumpMaps(twin)).toBe("");
    expect(reconciler.failures).toEqual([]);
  });

  it("is taken back by a Service that returns meanwhile", async () => {
    let broken = false;
    const { twin, reconciler } = await start({}, () => (broken ? 0 : undefined));
    reconciler.apply([web("10.1.0.1:80")]);
    broken = true;
    reconciler.apply([], [WEB]);
    broken = false;
    expect(reconciler.apply([web("10.1.0.1:80")])).toMatchObject({ published: 0, failures: [] });
    reconciler.retry();
    expect(twin.lookup("10.96.0.1", 80, "TCP", () => 0)).toMatchObject({ retired: false });
  });

  it("comes out of the reconciler where it is no map's error", async () => {
    const twin = new Twin(capacity);
    const reconciler = await adopt(twin);
    twin.frontends.update = () => {
      throw new TypeError("a bug");
    };
    expect(() => reconciler.apply([web("10.1.0.1:80")])).toThrow(TypeError);
  });
});

describe("maps that are inconsistent at the start (PF-02)", () => {
  /** Two sound Services at index 0 and 1, with backends 0, 1 and 2 in slots 0, 1 and 2. */
  async function standing(): Promise<Twin> {
    const { twin, reconciler } = await start();
    reconciler.apply([desired("a", "10.96.0.1", ["10.1.0.1:80", "10.1.0.2:80"])]);
    reconciler.apply([desired("b", "10.96.0.2", ["10.2.0.1:80"])]);
    return twin;
  }
  const a = desired("a", "10.96.0.1", ["10.1.0.1:80", "10.1.0.2:80"]);
  const b = desired("b", "10.96.0.2", ["10.2.0.1:80"]);
  const A = "default/a:/TCP/IPv4";
  const B = "default/b:/TCP/IPv4";
  const noName = { nameSpace: "", name: "", portName: "", family: 0, protocol: 0, port: 0 };

  const cases: readonly {
    readonly what: string;
    readonly damage: (twin: Twin) => void;
    readonly findings: readonly { target: string; message: string }[];
  }[] = [
    {
      what: "a slice out of range",
      damage: (twin) => twin.services.setCluster(0, packSlice({ offset: 63, count: 2 })),
      findings: [
        { target: A, message: "has a slice that is out of range" },
        { target: "backends", message: "2 live records are in no slice" },
      ],
    },
    {
      what: "a slot that names a free backend",
      damage: (twin) => {
        twin.slots[1] = 9;
      },
      findings: [
        { target: A, message: "has 1 slots that name no backend of it" },
        { target: "backends", message: "1 live records are in no slice" },
      ],
    },
    {
      what: "a slot beyond the backends",
      damage: (twin) => {
        twin.slots[1] = 4_000_000_000;
      },
      findings: [
        { target: A, message: "has 1 slots that name no backend of it" },
        { target: "backends", message: "1 live records are in no slice" },
      ],
    },
    {
      what: "two slices that overlap",
      damage: (twin) => twin.services.setCluster(1, packSlice({ offset: 1, count: 2 })),
      findings: [
        { target: B, message: "has a slice that overlaps another's" },
        { target: B, message: "has 1 slots that name no backend of it" },
      ],
    },
    {
      what: "a frontend to a service that is not in use",
      damage: (twin) =>
        twin.frontends.update([[key("10.96.0.9"), { service: 5, kind: 0, flags: 0 }]]),
      findings: [
        { target: "10.96.0.9:80/TCP", message: "leads to service 5, which is not in use" },
      ],
    },
    {
      what: "a frontend to no service at all",
      damage: (twin) =>
        twin.frontends.update([[key("10.96.0.9"), { service: 4_000_000_000, kind: 0, flags: 0 }]]),
      findings: [
        { target: "10.96.0.9:80/TCP", message: "leads to service 4000000000, which is not in use" },
      ],
    },
    {
      what: "a name without a service",
      damage: (twin) => {
        const name = { nameSpace: "default", name: "c", portName: "", family: 4 };
        twin.names.update([[5, { ...name, protocol: 6, port: 80 }]]);
      },
      findings: [{ target: "default/c:/TCP/IPv4", message: "has a name but no service" }],
    },
    {
      what: "a service without a name",
      damage: (twin) => twin.names.update([[0, noName]]),
      findings: [{ target: "services[0]", message: "is in use without a name" }],
    },
    {
      what: "a name that two have",
      damage: (twin) => {
        const [first] = twin.names.entries();
        twin.names.update([[1, first![1]]]);
      },
      findings: [{ target: "names[1]", message: `repeats the name ${A}` }],
    },
    {
      what: "a name that means nothing",
      damage: (twin) => twin.names.update([[5, { ...noName, family: 9, name: "x" }]]),
      findings: [
        { target: "names[5]", message: "names no Service port" },
        { target: "#5", message: "has a name but no service" },
      ],
    },
    {
      what: "a protocol that no Service has",
      damage: (twin) =>
        twin.frontends.update([
          [
            { ...key("10.96.0.9"), protocol: 99 },
            { service: 5, kind: 0, flags: 0 },
          ],
        ]),
      findings: [{ target: "10.96.0.9:80/99", message: "leads to service 5, which is not in use" }],
    },
  ];

  it.each(cases)(
    "reports $what, removes nothing, and mends it with the first sync",
    async ({ damage, findings }) => {
      const twin = await standing();
      damage(twin);
      const before = dumpMaps(twin);
      const reconciler = await adopt(twin);
      expect(reconciler.findings).toEqual(findings);
      expect(dumpMaps(twin)).toBe(before);
      reconciler.apply([a, b]);
      reconciler.finishFirstSync(new Set([A, B]));
      expect(reconciler.failures).toEqual([]);
      expect(dumpMaps(twin)).toBe(dumpMaps(await standing()));
      twin.elapse();
      await reconciler.reclaimed();
      expect((await adopt(twin)).findings).toEqual([]);
    },
  );

  it("keeps what nobody asked for until the first sync is over", async () => {
    const twin = await standing();
    const reconciler = await adopt(twin);
    reconciler.apply([b]);
    expect(twin.lookup("10.96.0.1", 80, "TCP", () => 1)).toMatchObject({ address: "10.1.0.2" });
    reconciler.finishFirstSync(new Set([B]));
    expect(twin.lookup("10.96.0.1", 80, "TCP", () => 1)).toEqual({ kind: "unknown" });
  });

  it("waits for a grace period before it takes what looks free for free", async () => {
    const twin = new Twin(capacity);
    let adopted = false;
    const adopting = Reconciler.adopt(twin).then(() => {
      adopted = true;
    });
    await Promise.resolve();
    expect(adopted).toBe(false);
    twin.elapse();
    await adopting;
    expect(adopted).toBe(true);
  });
});

function key(address: string) {
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff, ...address.split(".").map(Number)], 10);
  return { address: bytes, port: 80, protocol: 6, scope: 0 };
}
