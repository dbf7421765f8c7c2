import { describe, expect, it } from "vitest";
import { packSlice } from "../../agent/datapath/slice.ts";
import { type FaultPlan, Twin, type TwinCapacity } from "../../agent/datapath/twin.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { noWrites } from "../../agent/reconcile/writes.ts";
import { backend, desired, udp } from "./desired.ts";
import { dumpMaps } from "./dump.ts";

const capacity: TwinCapacity = { services: 8, backends: 16, slots: 64, frontends: 16 };

async function adopt(twin: Twin): Promise<Reconciler> {
  const adopting = Reconciler.adopt(twin);
  twin.elapse();
  return adopting;
}

async function start(sizes: Partial<TwinCapacity> = {}, faults?: FaultPlan) {
  const twin = new Twin({ ...capacity, ...sizes }, faults);
  return { twin, reconciler: await adopt(twin) };
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
      writes: { services: 1, backends: 2, slots: 2, names: 1, frontends: 2, sourceRanges: 0 },
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
