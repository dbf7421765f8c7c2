import { describe, expect, it } from "vitest";
import { textOfServiceCidr } from "../../agent/datapath/service_cidr.ts";
import { Twin } from "../../agent/datapath/twin.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import { AgentRig } from "./agent_rig.ts";
import { dumpMaps } from "./dump.ts";
import { allSynced, deleted, service, slice, synced } from "./events.ts";

const capacity = { services: 4096, backends: 4096, slots: 8192, frontends: 4096 };

const node = (zone: string): SourceEvent => ({
  kind: "node",
  node: { name: "here", zone, addresses: [], leaving: false },
});

const WEB = [service("web", "10.96.0.1"), slice("web", ["10.1.0.1", "10.1.0.2"])];

describe("the first sync", () => {
  it("waits until Services and EndpointSlices have been listed (KP-04)", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle([...WEB, synced("nodes"), synced("services")]);
    expect(rig.scheduler.turn()).toBe(0);
    rig.handle([synced("endpointslices")]);
    expect(rig.scheduler.turn()).toBe(1);
    expect(dumpMaps(rig.twin)).toContain("cluster: 10.1.0.1:8080, 10.1.0.2:8080");
    expect(rig.loop.status().ready).toBe(true);
  });

  it("waits for the Node, but not for ever (KP-05)", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle([...WEB, synced("services"), synced("endpointslices")]);
    expect(rig.scheduler.turn()).toBe(0);
    rig.scheduler.advance(4_999);
    expect(rig.scheduler.turn()).toBe(0);
    rig.scheduler.advance(1);
    expect(rig.scheduler.turn()).toBe(1);
    expect(rig.loop.status().ready).toBe(true);
  });

  it("is over even where there is nothing at all", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle(allSynced);
    rig.scheduler.turn();
    expect(rig.loop.status()).toMatchObject({ ready: true, lastPublishedAt: 1_000_000 });
  });

  it("takes nothing away before everything was applied, not even what was deleted (PF-02)", async () => {
    const twin = new Twin(capacity);
    const first = await AgentRig.start(twin);
    const many = Array.from({ length: 1500 }, (_, at) =>
      service(`s${at}`, `10.97.${at >> 8}.${at & 255}`),
    );
    first.handle([...WEB, ...many, ...allSynced]);
    await first.settle();
    const rig = await AgentRig.start(twin);
    rig.handle([...WEB, ...many, deleted("web"), ...allSynced]);
    rig.scheduler.turn();
    expect(rig.loop.status()).toMatchObject({ ready: false, queued: 501 });
    expect(dumpMaps(twin)).toContain("default/web:");
    rig.scheduler.turn();
    expect(rig.loop.status()).toMatchObject({ ready: true, queued: 0 });
    expect(dumpMaps(twin)).not.toContain("default/web:");
  });
});

describe("changes", () => {
  async function running(): Promise<AgentRig> {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle([...WEB, ...allSynced]);
    await rig.settle();
    rig.reports.length = 0;
    return rig;
  }

  it("are published in batches that let other work in between", async () => {
    const rig = await running();
    rig.handle(
      Array.from({ length: 2500 }, (_, at) => service(`s${at}`, `10.97.${at >> 8}.${at & 255}`)),
    );
    const sizes: number[] = [];
    while (rig.scheduler.turn() > 0) sizes.push(rig.reports.at(-1)!.published);
    expect(sizes).toEqual([1000, 1000, 500]);
    expect(rig.reports.map(({ caughtUp }) => caughtUp)).toEqual([false, false, true]);
  });

  it("are published as they stand at the flush, once for several events (KP-54)", async () => {
    const rig = await running();
    rig.handle([slice("web", ["10.1.0.3"])]);
    rig.handle([slice("web", ["10.1.0.4"])]);
    rig.scheduler.turn();
    expect(rig.reports).toHaveLength(1);
    expect(rig.reports[0]?.writes.backends).toBe(3);
    expect(dumpMaps(rig.twin)).toContain("cluster: 10.1.0.4:8080\n");
  });

  it("are timed from the oldest event that is not published yet", async () => {
    const rig = await running();
    rig.handle([slice("web", ["10.1.0.3"])]);
    expect(rig.loop.status()).toMatchObject({ oldestQueuedAt: 1_000_000, queued: 1 });
    rig.scheduler.advance(3);
    rig.handle([slice("web", ["10.1.0.4"])]);
    rig.scheduler.advance(2);
    rig.scheduler.turn();
    expect(rig.reports[0]?.latenciesMicroseconds).toEqual([5000]);
    expect(rig.loop.status()).toMatchObject({
      oldestQueuedAt: undefined,
      lastPublishedAt: 1_000_005,
    });
  });

  it("of this node's zone concern every Service (KP-05, KP-11)", async () => {
    const rig = await running();
    rig.handle([slice("web", ["10.1.0.1", "10.1.0.2"], "z1")]);
    await rig.settle();
    expect(dumpMaps(rig.twin)).toContain("cluster: 10.1.0.1:8080, 10.1.0.2:8080\n");
    rig.handle([node("z1")]);
    await rig.settle();
    expect(dumpMaps(rig.twin)).toContain("cluster: 10.1.0.1:8080\n");
  });

  it("stop with the loop, and the maps keep what they hold (PF-04)", async () => {
    const rig = await running();
    const before = dumpMaps(rig.twin);
    rig.handle([deleted("web")]);
    rig.loop.stop();
    rig.scheduler.turn();
    rig.scheduler.advance(60_000);
    expect(dumpMaps(rig.twin)).toBe(before);
  });

  it("that cannot be compiled are problems until they are mended", async () => {
    const rig = await running();
    rig.handle([service("web", "10.96.0.1", { ports: [] })]);
    await rig.settle();
    expect(rig.loop.status().problems.map(({ code }) => code)).toEqual(["no-ports"]);
    rig.handle([service("shop", "10.96.0.2")]);
    await rig.settle();
    rig.handle([service("web", "10.96.0.1")]);
    await rig.settle();
    expect(rig.loop.status().problems).toEqual([]);
    expect(rig.reports.map(({ problemsChanged }) => problemsChanged)).toEqual([true, false, true]);
  });

  it("of health checks are told once, with all that there are (KP-40)", async () => {
    const rig = await running();
    const balanced = (healthCheckNodePort: number) =>
      service("web", "10.96.0.1", {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        healthCheckNodePort,
      });
    const told = async (...events: SourceEvent[]) => {
      rig.reports.length = 0;
      rig.handle(events);
      await rig.settle();
      return rig.reports.map(({ healthChecksChanged }) => healthChecksChanged);
    };
    expect(rig.loop.healthChecks).toEqual([]);
    expect(await told(balanced(32_000))).toEqual([true]);
    const check = { namespace: "default", name: "web", port: 32_000, localEndpoints: { IPv4: 0 } };
    expect(rig.loop.healthChecks).toEqual([check]);
    expect(await told(slice("web", ["10.1.0.9"]))).toEqual([false]);
    expect(await told(slice("web", ["10.1.0.9"], undefined, "here"))).toEqual([true]);
    expect(rig.loop.healthChecks).toEqual([{ ...check, localEndpoints: { IPv4: 1 } }]);
    expect(await told(balanced(32_001))).toEqual([true]);
    expect(rig.loop.healthChecks).toEqual([
      { ...check, localEndpoints: { IPv4: 1 }, port: 32_001 },
    ]);
    expect(await told(deleted("web"))).toEqual([true]);
    expect(rig.loop.healthChecks).toEqual([]);
  });
});

describe("failures", () => {
  it("are retried after delays that double up to a cap, and then start anew (KP-54)", async () => {
    let broken = true;
    const twin = new Twin(capacity, (map) => (broken && map === "frontends" ? 0 : undefined));
    const rig = await AgentRig.start(twin);
    rig.handle([...WEB, ...allSynced]);
    rig.scheduler.turn();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 11; attempt++) {
      const [delay = -1] = rig.scheduler.delays;
      delays.push(delay);
      rig.scheduler.advance(delay);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000]);
    expect(rig.loop.status().failures).toEqual([
      {
        key: "default/web:/TCP/IPv4",
        code: "write",
        message: "frontends: injected fault",
        since: 1_000_000,
        retries: 11,
      },
    ]);
    broken = false;
    rig.scheduler.advance(5_000);
    expect(rig.loop.status().failures).toEqual([]);
    expect(rig.scheduler.delays).toEqual([]);
    broken = true;
    rig.handle([service("shop", "10.96.0.2")]);
    rig.scheduler.turn();
    expect(rig.scheduler.delays).toEqual([100]);
  });

  it("of a Service that is gone are forgotten", async () => {
    const rig = await AgentRig.start(new Twin({ ...capacity, backends: 1 }));
    rig.handle([...WEB, ...allSynced]);
    await rig.settle();
    expect(rig.loop.status().failures).toHaveLength(1);
    const changed = rig.reports.map(({ problemsChanged }) => problemsChanged);
    expect(changed.filter((each) => each)).toHaveLength(1);
    expect(changed.length).toBeGreaterThan(1);
    rig.reports.length = 0;
    rig.handle([deleted("web")]);
    await rig.settle();
    expect(rig.reports.map(({ problemsChanged }) => problemsChanged)).toEqual([true]);
    expect(rig.loop.status().failures).toEqual([]);
    expect(rig.scheduler.delays).toEqual([]);
  });

  it("do not show while space is about to come free (PF-08)", async () => {
    const rig = await AgentRig.start(new Twin({ ...capacity, backends: 2 }));
    rig.handle([...WEB, ...allSynced]);
    await rig.settle();
    rig.handle([slice("web", ["10.1.0.3", "10.1.0.4"])]);
    rig.handle([service("shop", "10.96.0.2"), slice("shop", ["10.1.0.9"]), deleted("web")]);
    rig.scheduler.turn();
    expect(rig.reports.at(-1)).toMatchObject({ waiting: 1, caughtUp: false });
    expect(rig.loop.status().failures).toEqual([]);
    rig.twin.elapse();
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(rig.scheduler.turn()).toBe(1);
    expect(dumpMaps(rig.twin)).toContain("cluster: 10.1.0.9:8080");
  });
});

describe("the ranges that ClusterIPs come from", () => {
  const range = (name: string, ...cidrs: string[]): SourceEvent => ({
    kind: "service-cidr",
    serviceCidr: { name, cidrs },
  });
  const ranges = ({ twin }: AgentRig) =>
    Array.from(twin.serviceCidrs.entries(), textOfServiceCidr).sort();
  const kindOf = ({ twin }: AgentRig, address: string) =>
    twin.lookup(address, 80, "TCP", () => 0).kind;

  it("are refused where no Service is, once every Service is published (KP-31)", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle([range("kubernetes", "10.96.0.0/16"), synced("servicecidrs")]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual([]);
    rig.handle([...WEB, ...allSynced]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual(["10.96.0.0/16"]);
    expect(kindOf(rig, "10.96.0.1")).toBe("backend");
    expect(kindOf(rig, "10.96.0.2")).toBe("unserved");
    expect(kindOf(rig, "10.97.0.2")).toBe("unknown");
    rig.twin.nodeAddresses.add("10.96.0.2");
    expect(kindOf(rig, "10.96.0.2")).toBe("unknown");
  });

  it("have no part in what other proxies serve (KP-01)", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle([...WEB, ...allSynced, range("kubernetes", "10.96.0.0/29"), synced("servicecidrs")]);
    rig.scheduler.turn();
    const names = { namespace: "default", name: "theirs" };
    rig.handle([{ kind: "foreign-service", ...names, addresses: ["10.96.0.2", "fd00::2"] }]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual(["10.96.0.0/31", "10.96.0.3/32", "10.96.0.4/30"]);
    expect(kindOf(rig, "10.96.0.2")).toBe("unknown");
    expect(kindOf(rig, "10.96.0.3")).toBe("unserved");
    rig.handle([{ kind: "foreign-service-deleted", ...names }]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual(["10.96.0.0/29"]);
  });

  it("hold up nothing where they are never listed, and follow whenever they are (KP-01)", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle([...WEB, ...allSynced, range("kubernetes", "10.96.0.0/16")]);
    rig.scheduler.turn();
    expect(rig.loop.status().ready).toBe(true);
    expect(ranges(rig)).toEqual([]);
    rig.handle([synced("servicecidrs")]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual(["10.96.0.0/16"]);
    rig.handle([range("kubernetes", "10.96.0.0/12"), range("six", "fd00:96::/112")]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual(["10.96.0.0/12", "fd00:96::/112"]);
    rig.handle([{ kind: "service-cidr-deleted", name: "six" }]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual(["10.96.0.0/12"]);
  });

  it("stay as they were found until all were listed, and are not written again (PF-02)", async () => {
    const twin = new Twin(capacity);
    const first = await AgentRig.start(twin);
    const both = range("kubernetes", "10.96.0.0/16", "10.97.0.0/16");
    first.handle([...WEB, ...allSynced, both, synced("servicecidrs")]);
    first.scheduler.turn();
    const second = await AgentRig.start(twin);
    second.handle([...WEB, ...allSynced]);
    second.scheduler.turn();
    expect(ranges(second)).toEqual(["10.96.0.0/16", "10.97.0.0/16"]);
    second.handle([range("kubernetes", "10.97.0.0/16"), synced("servicecidrs")]);
    second.scheduler.turn();
    expect(ranges(second)).toEqual(["10.97.0.0/16"]);
    expect(second.reconciler.writes.serviceCidrs).toBe(1);
  });

  it("that do not fit are named and tried again (PF-08)", async () => {
    const rig = await AgentRig.start(new Twin({ ...capacity, serviceCidrs: 1 }));
    const both = range("kubernetes", "10.96.0.0/16", "10.97.0.0/16");
    rig.handle([...WEB, ...allSynced, both, synced("servicecidrs")]);
    rig.scheduler.turn();
    expect(ranges(rig)).toEqual(["10.96.0.0/16"]);
    expect(rig.loop.status().failures.map(({ key }) => key)).toEqual(["ServiceCIDR 10.97.0.0/16"]);
    rig.handle([range("kubernetes", "10.97.0.0/16")]);
    await rig.settle();
    expect(ranges(rig)).toEqual(["10.97.0.0/16"]);
    expect(rig.loop.status().failures).toEqual([]);
  });
});

describe("a ClusterIP that this node has", () => {
  const kindAt = ({ twin }: AgentRig, address: string, port = 80) =>
    twin.lookup(address, port, "TCP", () => 0).kind;

  it("is left alone while it has it, with its other ports, and no other Service is touched (PF-45)", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.handle([...WEB, service("api", "10.96.0.2"), slice("api", ["10.1.0.9"]), ...allSynced]);
    rig.scheduler.turn();
    const [all, api] = [dumpMaps(rig.twin), rig.reconciler.writes];
    expect([kindAt(rig, "10.96.0.1"), kindAt(rig, "10.96.0.1", 81)]).toEqual([
      "backend",
      "unserved",
    ]);

    rig.loop.setBoundAddresses(new Map([["10.96.0.1", "nodelocaldns"]]));
    expect(rig.scheduler.turn()).toBe(1);
    expect([kindAt(rig, "10.96.0.1"), kindAt(rig, "10.96.0.1", 81)]).toEqual([
      "unknown",
      "unknown",
    ]);
    expect(kindAt(rig, "10.96.0.2")).toBe("backend");
    expect(Object.fromEntries(rig.loop.leftToNode)).toEqual({
      "default/web": [{ address: "10.96.0.1", device: "nodelocaldns" }],
    });
    expect(rig.reconciler.writes).toEqual({ ...api, frontends: api.frontends + 2 });

    rig.loop.setBoundAddresses(new Map([["192.0.2.1", "eth0"]]));
    rig.scheduler.turn();
    expect(dumpMaps(rig.twin)).toBe(all);
    expect(rig.loop.leftToNode.size).toBe(0);
  });

  it("is not served for a moment by an agent that starts (PF-45)", async () => {
    const rig = await AgentRig.start(new Twin(capacity));
    rig.loop.setBoundAddresses(new Map([["10.96.0.1", "nodelocaldns"]]));
    rig.handle([...WEB, ...allSynced]);
    rig.scheduler.turn();
    expect(kindAt(rig, "10.96.0.1")).toBe("unknown");
    expect(rig.reconciler.frontends).toBe(0);
  });
});
