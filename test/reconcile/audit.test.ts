import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyOfServiceCidr } from "../../agent/datapath/service_cidr.ts";
import { packSlice, unpackSlice } from "../../agent/datapath/slice.ts";
import { keyOfRange } from "../../agent/datapath/source_range.ts";
import { seededFaults } from "../../agent/datapath/twin_faults.ts";
import { Auditor } from "../../agent/reconcile/auditor.ts";
import { keyOfText } from "../../agent/reconcile/frontend_text.ts";
import type { LoopStatus } from "../../agent/reconcile/loop.ts";
import { noName } from "../../agent/reconcile/service_name.ts";
import { BackendFlag, FrontendKind, FrontendScope, ServiceFlag } from "../../bpf/build/layout.ts";
import { AuditStage } from "./audit_stage.ts";
import { dumpMaps } from "./dump.ts";
import { deleted, service, slice } from "./events.ts";
import { ManualScheduler } from "./manual_scheduler.ts";

/** Indices of the Services of the stage, as they were given out. */
const [API, DATABASE, WEB] = [0, 1, 2] as const;
const database = "default/database:/TCP/IPv4";
const clusterIP = { kind: FrontendKind.CLUSTER_IP, flags: 0 };
const misplaced = `services: ${database}: its endpoints were not what was written`;

interface Damage {
  readonly what: string;
  readonly plant: (stage: AuditStage) => void;
  readonly found: readonly string[];
}

const entries: readonly Damage[] = [
  {
    what: "a frontend that was deleted",
    plant: ({ twin }) => twin.frontends.delete([keyOfText("10.96.0.2:80/TCP")]),
    found: [`frontends: ${database}: 10.96.0.2:80/TCP was missing`],
  },
  {
    what: "a NodePort that was deleted",
    plant: ({ twin }) => twin.frontends.delete([keyOfText("NodePort 0.0.0.0:30080/TCP")]),
    found: [`frontends: ${database}: NodePort 0.0.0.0:30080/TCP was missing`],
  },
  {
    what: "a frontend that leads to another Service",
    plant: ({ twin }) =>
      twin.frontends.update([[keyOfText("10.96.0.2:80/TCP"), { ...clusterIP, service: API }]]),
    found: [`frontends: ${database}: 10.96.0.2:80/TCP led to default/api:/TCP/IPv4`],
  },
  {
    what: "a frontend that leads nowhere",
    plant: ({ twin }) =>
      twin.frontends.update([[keyOfText("10.96.0.2:80/TCP"), { ...clusterIP, service: 7 }]]),
    found: [
      `frontends: ${database}: 10.96.0.2:80/TCP led to #7`,
      "services: #7: was in use, and belongs to no Service",
    ],
  },
  {
    what: "a frontend beyond the end of the services",
    plant: ({ twin }) =>
      twin.frontends.update([[keyOfText("10.96.0.9:80/TCP"), { ...clusterIP, service: 999 }]]),
    found: [
      "frontends: #8: 10.96.0.9:80/TCP led to it, which nobody asked for",
      "services: #8: was in use, and belongs to no Service",
    ],
  },
  {
    what: "a frontend that nobody asked for",
    plant: ({ twin }) =>
      twin.frontends.update([[keyOfText("10.96.0.9:80/TCP"), { ...clusterIP, service: DATABASE }]]),
    found: [`frontends: ${database}: 10.96.0.9:80/TCP led to it, which nobody asked for`],
  },
  {
    what: "a frontend that lost its source ranges",
    plant: ({ twin }) =>
      twin.frontends.update([
        [
          keyOfText("203.0.113.7:80/TCP"),
          { service: DATABASE, kind: FrontendKind.LOAD_BALANCER, flags: 0 },
        ],
      ]),
    found: [`frontends: ${database}: 203.0.113.7:80/TCP had other flags`],
  },
  {
    what: "unserved ports that are not refused",
    plant: ({ twin }) => twin.frontends.delete([guardOf("10.96.0.2")]),
    found: [`frontends: ${database}: unserved ports of 10.96.0.2 were not refused`],
  },
  {
    what: "an address that is refused, though no Service has it",
    plant: ({ twin }) =>
      twin.frontends.update([
        [guardOf("192.0.2.1"), { service: 0xffff_ffff, kind: FrontendKind.UNSERVED, flags: 0 }],
      ]),
    found: ["frontends: 192.0.2.1: its ports were refused, though no Service has it"],
  },
  {
    what: "bounds that leave a NodePort out",
    plant: ({ twin }) => twin.nodePorts.setBounds({ first: 1, last: 0 }),
    found: [`settings: ${database}: the bounds of NodePorts left out NodePort 0.0.0.0:30080/TCP`],
  },
  {
    what: "a source range that was added",
    plant: ({ twin }) => twin.sourceRanges.add([keyOfRange(DATABASE, "0.0.0.0/0")]),
    found: [
      `source_ranges: ${database}: it was open to 0.0.0.0/0, 192.0.2.0/25, 198.51.100.0/24 instead of 192.0.2.0/25, 198.51.100.0/24`,
    ],
  },
  {
    what: "a source range that was deleted",
    plant: ({ twin }) => twin.sourceRanges.delete([keyOfRange(DATABASE, "192.0.2.0/25")]),
    found: [
      `source_ranges: ${database}: it was open to 198.51.100.0/24 instead of 192.0.2.0/25, 198.51.100.0/24`,
    ],
  },
  {
    what: "source ranges of nobody",
    plant: ({ twin }) => twin.sourceRanges.add([keyOfRange(6, "10.0.0.0/8")]),
    found: ["source_ranges: #6: it was open to 10.0.0.0/8 instead of nobody"],
  },
  {
    what: "a range of ClusterIPs that was deleted",
    plant: ({ twin }) => twin.serviceCidrs.delete([keyOfServiceCidr("10.96.0.0/16")]),
    found: ["service_cidrs: 10.96.0.0/16: was missing"],
  },
  {
    what: "a range of ClusterIPs that nobody asked for",
    plant: ({ twin }) => twin.serviceCidrs.add([keyOfServiceCidr("10.0.0.0/8")]),
    found: ["service_cidrs: 10.0.0.0/8: was there, though no ServiceCIDR has it"],
  },
  {
    what: "a name that was erased",
    plant: ({ twin }) => twin.names.update([[DATABASE, noName]]),
    found: [`service_names: ${database}: its name was not the one that was written`],
  },
  {
    what: "a name that is another's",
    plant: ({ twin }) => {
      const names = new Map(twin.names.entries());
      twin.names.update([[DATABASE, names.get(API) ?? noName]]);
    },
    found: [`service_names: ${database}: its name was not the one that was written`],
  },
  {
    what: "a name at an index that is free",
    plant: ({ twin }) => {
      const names = new Map(twin.names.entries());
      twin.names.update([[6, names.get(API) ?? noName]]);
    },
    found: ["service_names: service_names[6]: its name was not the one that was written"],
  },
];

const arrays: readonly Damage[] = [
  {
    what: "a slice word that is another Service's",
    plant: ({ twin: { services } }) => services.setCluster(DATABASE, services.cluster(API)),
    found: [misplaced],
  },
  {
    what: "a slice word that was cleared",
    plant: ({ twin }) => twin.services.setCluster(DATABASE, 0n),
    found: [misplaced],
  },
  {
    what: "a slice word that names all slots",
    plant: ({ twin }) => twin.services.setCluster(DATABASE, packSlice({ offset: 0, count: 64 })),
    found: [misplaced],
  },
  {
    what: "a slice word beyond the end of the slots",
    plant: ({ twin }) => twin.services.setCluster(DATABASE, packSlice({ offset: 60, count: 99 })),
    found: [misplaced],
  },
  {
    what: "a slot that names a dead backend",
    plant: ({ twin }) => {
      twin.slots[slotOf(twin.services.cluster(DATABASE))] = 31;
    },
    found: [misplaced],
  },
  {
    what: "a slot that names another Service's backend",
    plant: ({ twin }) => {
      const foreign = twin.slots[slotOf(twin.services.cluster(API))] ?? 0;
      twin.slots[slotOf(twin.services.cluster(DATABASE))] = foreign;
    },
    found: [misplaced],
  },
  {
    what: "a slot that repeats the one after it",
    plant: ({ twin }) => {
      const at = slotOf(twin.services.cluster(DATABASE));
      twin.slots[at] = twin.slots[at + 1] ?? 0;
    },
    found: [misplaced],
  },
  {
    what: "a backend with another address",
    plant: ({ twin }) => twin.backends.setAddress(backendOf(twin), new Uint8Array(16).fill(9)),
    found: [misplaced],
  },
  {
    what: "a backend with another port",
    plant: ({ twin }) => twin.backends.setPort(backendOf(twin), 9),
    found: [misplaced],
  },
  {
    what: "a backend that is another Service's",
    plant: ({ twin }) => twin.backends.setService(backendOf(twin), WEB),
    found: [misplaced, "backends: backends[2]: was alive, and belongs to no Service"],
  },
  {
    what: "a backend that was marked dead",
    plant: ({ twin }) => twin.backends.setFlags(backendOf(twin), 0),
    found: [misplaced],
  },
  {
    what: "a backend with another state",
    plant: ({ twin }) =>
      twin.backends.setFlags(backendOf(twin), BackendFlag.IN_CLUSTER | BackendFlag.TERMINATING),
    found: [misplaced],
  },
  {
    what: "a backend that was brought back to life",
    plant: ({ twin }) => twin.backends.setFlags(30, BackendFlag.IN_CLUSTER | BackendFlag.READY),
    found: ["backends: backends[30]: was alive, and belongs to no Service"],
  },
  {
    what: "another policy of a Service",
    plant: ({ twin: { services } }) =>
      services.setFlags(DATABASE, ServiceFlag.IN_USE | ServiceFlag.INTERNAL_LOCAL),
    found: [misplaced],
  },
  {
    what: "a slice of all the slots that are free",
    plant: ({ twin }) => {
      twin.slots.fill(backendOf(twin), 7);
      twin.services.setLocal(DATABASE, packSlice({ offset: 7, count: 57 }));
    },
    found: [misplaced],
  },
  {
    what: "session affinity that nobody asked for",
    plant: ({ twin }) => twin.services.setAffinitySeconds(DATABASE, 99),
    found: [misplaced],
  },
  {
    what: "a service that nobody has",
    plant: ({ twin: { services } }) => {
      services.setFlags(5, ServiceFlag.IN_USE);
      services.setCluster(5, services.cluster(API));
    },
    found: ["services: #5: was in use, and belongs to no Service"],
  },
];

describe("an audit", () => {
  it("writes nothing where everything stands (KP-54)", async () => {
    const stage = await AuditStage.start();
    const { writes } = stage.rig.reconciler;
    const reports = stage.rig.reports.length;
    await stage.audit();
    expect(stage.auditor.counts).toMatchObject({ audits: 1, lastAt: expect.any(Number) });
    expect(Object.values(stage.auditor.counts.repairs)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(stage.rig.reconciler.writes).toEqual(writes);
    expect(stage.rig.reports).toHaveLength(reports);
    await stage.audit();
    expect(stage.auditor.counts.audits).toBe(2);
  });

  it("finds nothing that the agent itself changes while it looks (KP-54)", async () => {
    const sizes = fc.array(fc.nat(6), { minLength: 1, maxLength: 4 });
    const steps = fc.array(fc.tuple(fc.nat(12), fc.nat(3), sizes), { minLength: 4, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const stage = await AuditStage.start();
        const { loop } = stage.rig;
        let audit = loop.audit();
        for (const [looks, which, [size = 0, port = 0]] of history) {
          for (let look = 0; look < looks; look++) {
            const { done, value } = audit.next();
            if (!done) continue;
            if (value !== undefined && loop.isQuiet) expect(loop.mend(value)).toEqual([]);
            audit = loop.audit();
          }
          const name = ["api", "web", "extra", "more"][which] ?? "";
          const endpoints = Array.from({ length: size }, (_, n) => `10.3.${which}.${n + 1}`);
          const nodePort = port === 0 ? 0 : 31_000 + which * 10 + port;
          const ports = [{ name: "", protocol: "TCP", port: 80 + port, nodePort } as const];
          stage.rig.handle(
            size === 6
              ? [deleted(name)]
              : [
                  service(name, `10.96.1.${which}`, { type: "NodePort", ports }),
                  slice(name, endpoints),
                ],
          );
          stage.rig.scheduler.turn();
          if (looks % 3 === 0) stage.twin.elapse();
          await new Promise((resolve) => setImmediate(resolve));
        }
        await stage.settle();
        await stage.audit();
        expect(stage.found).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 2, 3, 4, 5])(
    "mends in spite of writes that fail, faults of seed %s (KP-54, PF-08)",
    async (seed) => {
      let isFailing = false;
      const faults = seededFaults(seed, 0.5);
      const stage = await AuditStage.start((map, size) =>
        isFailing ? faults(map, size) : undefined,
      );
      const [before, usage] = [dumpMaps(stage.twin), stage.rig.reconciler.usage];
      const { frontends, names, serviceCidrs, services, sourceRanges } = stage.twin;
      frontends.delete([keyOfText("10.96.0.1:80/TCP"), guardOf("10.96.0.3")]);
      frontends.update([[keyOfText("10.96.0.2:80/TCP"), { ...clusterIP, service: API }]]);
      names.update([[WEB, noName]]);
      serviceCidrs.delete([keyOfServiceCidr("10.96.0.0/16")]);
      sourceRanges.delete([keyOfRange(DATABASE, "192.0.2.0/25")]);
      services.setCluster(DATABASE, services.cluster(WEB));
      isFailing = true;
      await stage.audit();
      await stage.audit();
      isFailing = false;
      await stage.audit();
      expect(dumpMaps(stage.twin)).toBe(before);
      expect(stage.rig.reconciler.usage).toEqual(usage);
      expect(stage.rig.reconciler.failures).toEqual([]);
    },
  );

  it("mends although something is always waiting for its grace period (KP-54)", async () => {
    const stage = await AuditStage.start();
    const change = (n: number) => {
      stage.rig.handle([slice("web", [`10.4.0.${n}`])]);
      stage.rig.scheduler.turn();
    };
    change(1);
    stage.twin.frontends.delete([keyOfText("10.96.0.2:80/TCP")]);
    stage.rig.scheduler.advance(600_000);
    for (let n = 2; n < 150; n++) {
      change(n);
      stage.twin.elapse();
      await new Promise((resolve) => setImmediate(resolve));
      stage.rig.scheduler.advance(5);
    }
    expect(stage.found).toEqual([`frontends: ${database}: 10.96.0.2:80/TCP was missing`]);
    await stage.settle();
    expect(stage.answersOf("10.96.0.2", 1)).toEqual(["10.1.0.3"]);
    expect(stage.answersOf("10.96.0.3", 1)).toEqual(["10.4.0.149"]);
  });

  it("is tried again after one that could not read the maps (KP-54)", () => {
    const scheduler = new ManualScheduler();
    const failures: unknown[] = [];
    let audits = 0;
    const auditor = new Auditor({
      loop: {
        isQuiet: true,
        hold: () => {},
        status: () => ({ ready: true }) as LoopStatus,
        mend: () => [],
        *audit(): Generator<void, undefined> {
          yield;
          if (++audits === 1) throw new Error("map.lookupBatch: EIO");
        },
      },
      others: [],
      scheduler,
      periodMilliseconds: 600_000,
      onRepairs: () => {},
      onFailure: (error) => failures.push(error),
    });
    auditor.start();
    scheduler.advance(600_000);
    expect(failures).toEqual([new Error("map.lookupBatch: EIO")]);
    expect(auditor.counts.audits).toBe(0);
    scheduler.advance(600_000);
    expect(auditor.counts.audits).toBe(1);
    auditor.stop();
    expect(scheduler.delays).toEqual([]);
  });

  it("holds changes up for 2.5 s at most, and says so where nothing could be mended (KP-54)", () => {
    const scheduler = new ManualScheduler();
    const failures: unknown[] = [];
    const held: boolean[] = [];
    const auditor = new Auditor({
      loop: {
        isQuiet: false,
        hold: (isHeld) => held.push(isHeld),
        status: () => ({ ready: true }) as LoopStatus,
        mend: () => expect.fail("mended amid a grace period"),
        *audit() {
          yield;
          return { services: new Set(["default/web"]) };
        },
      },
      others: [],
      scheduler,
      periodMilliseconds: 600_000,
      onRepairs: () => {},
      onFailure: (error) => failures.push(error),
    });
    auditor.start();
    scheduler.advance(600_000);
    for (let waited = 0; waited < 2_500; waited += 5) {
      expect(held.at(-1)).toBe(true);
      scheduler.advance(5);
    }
    expect(held.at(-1)).toBe(false);
    expect(failures).toEqual([new Error("what was found stays: no grace period comes to its end")]);
    auditor.stop();
  });

  it("puts whatever was scribbled into the arrays back as it was, and gives all of it back (KP-54)", async () => {
    const scribbles = fc.array(
      fc.record({
        field: fc.nat(7),
        at: fc.nat(12),
        value: fc.oneof(fc.nat(8), fc.nat(80), fc.nat(0xffff_ffff)),
        count: fc.nat(70),
      }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(scribbles, async (all) => {
        const stage = await AuditStage.start();
        const { services, backends, slots } = stage.twin;
        const [before, usage] = [dumpMaps(stage.twin), stage.rig.reconciler.usage];
        const write = [
          (at: number, value: number) => services.setFlags(at % 8, value),
          (at: number, value: number, count: number) =>
            services.setCluster(at % 8, packSlice({ offset: value % 90, count })),
          (at: number, value: number, count: number) =>
            services.setLocal(at % 8, packSlice({ offset: value % 90, count })),
          (at: number, value: number) => {
            slots[at] = value;
          },
          (at: number, value: number) => backends.setFlags(at, value & 0xff),
          (at: number, value: number) => backends.setService(at, value),
          (at: number, value: number) => backends.setPort(at, value & 0xffff),
          (at: number, value: number) => services.setAffinitySeconds(at % 8, value),
        ];
        for (const { field, at, value, count } of all) write[field]?.(at, value, count);
        await stage.audit();
        await stage.audit();
        expect(dumpMaps(stage.twin)).toBe(before);
        expect(stage.rig.reconciler.usage).toEqual(usage);
        expect(stage.rig.reconciler.failures).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it.each([...entries, ...arrays])(
    "mends $what, names it once, and lets no other Service fail (KP-54)",
    async ({ plant, found }) => {
      const stage = await AuditStage.start();
      const [before, usage] = [dumpMaps(stage.twin), stage.rig.reconciler.usage];
      plant(stage);
      stage.watchOthers();
      await stage.audit();
      expect(stage.found).toEqual(found);
      expect(dumpMaps(stage.twin)).toBe(before);
      expect(stage.rig.reconciler.usage).toEqual(usage);
      expect(stage.rig.reconciler.failures).toEqual([]);

      await stage.audit();
      expect(stage.found).toEqual(found);
    },
  );

  it.each(arrays)(
    "gives nothing to two Services after it mended $what (KP-54, PF-27)",
    async ({ plant }) => {
      const stage = await AuditStage.start();
      plant(stage);
      await stage.audit();
      stage.watchOthers();
      for (let size = 1; size <= 8; size++) {
        const endpoints = Array.from({ length: size }, (_, n) => `10.2.0.${n + 1}`);
        stage.rig.handle([slice("database", endpoints)]);
        await stage.settle();
        expect(stage.answersOf("10.96.0.2", size)).toEqual(endpoints);
      }
      stage.rig.handle([deleted("database")]);
      await stage.settle();
      expect(stage.rig.reconciler.usage).toMatchObject({
        services: { entries: 2 },
        backends: { entries: 4 },
        slots: { entries: 4 },
      });
    },
  );
});

const slotOf = (word: bigint): number => unpackSlice(word).offset;

const backendOf = ({ services, slots }: AuditStage["twin"]): number =>
  slots[slotOf(services.cluster(DATABASE))] ?? 0;

const guardOf = (address: string) => ({
  address: keyOfText(`${address}:80/TCP`).address,
  port: 0,
  protocol: 0,
  scope: FrontendScope.SCOPE_ANY_PORT,
});
