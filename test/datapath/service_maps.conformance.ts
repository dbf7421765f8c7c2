import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isMapFull, MapError } from "../../agent/datapath/map_error.ts";
import type { ServiceMaps } from "../../agent/datapath/maps.ts";
import { noPorts, widened } from "../../agent/datapath/node_ports.ts";
import { keyOfServiceCidr, textOfServiceCidr } from "../../agent/datapath/service_cidr.ts";
import { packSlice, unpackSlice } from "../../agent/datapath/slice.ts";
import { keyOfRange, textOfRange } from "../../agent/datapath/source_range.ts";
import { type FrontendKey, FrontendKind } from "../../bpf/build/layout.ts";

/** Sizes that the maps under test have to be made with. */
export const conformanceCapacity = {
  services: 16,
  backends: 64,
  slots: 256,
  frontends: 1024,
  sourceRanges: 64,
} as const;

export interface MapsUnderTest {
  readonly maps: ServiceMaps;
  /** Lets grace periods end, where that does not happen by itself. */
  readonly elapse?: () => void;
  readonly close?: () => void;
}

/** What every implementation of `ServiceMaps` does, real or not. `make` gives fresh, empty maps. */
export function serviceMapsConformance(name: string, make: () => MapsUnderTest): void {
  describe(`${name} as service maps`, () => {
    let subject: MapsUnderTest;
    let maps: ServiceMaps;
    beforeEach(() => {
      subject = make();
      maps = subject.maps;
    });
    afterEach(() => subject.close?.());

    it("starts empty, in the sizes asked for (PF-08)", () => {
      expect(maps.services.length).toBe(16);
      expect(maps.backends.length).toBe(64);
      expect(maps.slots.length).toBe(256);
      expect(maps.frontends.capacity).toBe(1024);
      expect([...maps.frontends.entries()]).toEqual([]);
      expect(maps.sourceRanges.capacity).toBe(64);
      expect([...maps.sourceRanges.entries()]).toEqual([]);
      expect(maps.nodePorts.bounds()).toEqual(noPorts);
      expect([...maps.names.entries()]).toEqual([]);
      expect(maps.slots.every((slot) => slot === 0)).toBe(true);
      expect(maps.services.cluster(15)).toBe(0n);
      expect(maps.backends.flags(63)).toBe(0);
    });

    it("reads back every field of the last service", () => {
      maps.services.setCluster(15, packSlice({ offset: 0xffff_fffe, count: 0x8000_0001 }));
      maps.services.setLocal(15, 1n);
      maps.services.setAffinitySeconds(15, 10_800);
      maps.services.setGeneration(15, 0xffff_ffff);
      maps.services.setFlags(15, 7);
      maps.services.setAlgorithm(15, 2);
      maps.services.setProtocol(15, 17);
      expect(unpackSlice(maps.services.cluster(15))).toEqual({
        offset: 0xffff_fffe,
        count: 0x8000_0001,
      });
      expect(maps.services.local(15)).toBe(1n);
      expect(maps.services.affinitySeconds(15)).toBe(10_800);
      expect(maps.services.generation(15)).toBe(0xffff_ffff);
      expect(maps.services.flags(15)).toBe(7);
      expect(maps.services.algorithm(15)).toBe(2);
      expect(maps.services.protocol(15)).toBe(17);
      expect(maps.services.flags(14)).toBe(0);
    });

    it("reads back every field of the last backend, and the last slot", () => {
      const address = Uint8Array.from({ length: 16 }, (_, at) => at + 1);
      maps.backends.setAddress(63, address);
      maps.backends.setPort(63, 65_535);
      maps.backends.setFlags(63, 63);
      maps.backends.setService(63, 15);
      maps.backends.setGeneration(63, 5);
      maps.slots[255] = 63;
      expect([...maps.backends.address(63)]).toEqual([...address]);
      expect(maps.backends.port(63)).toBe(65_535);
      expect(maps.backends.flags(63)).toBe(63);
      expect(maps.backends.service(63)).toBe(15);
      expect(maps.backends.generation(63)).toBe(5);
      expect(maps.slots[255]).toBe(63);
    });

    it("tells frontends apart by address, port and protocol (KP-33)", () => {
      maps.frontends.update([
        [key(1, 53, 6), { service: 1, kind: 0, flags: 0 }],
        [key(1, 53, 17), { service: 2, kind: 0, flags: 0 }],
        [key(1, 54, 6), { service: 3, kind: 0, flags: 0 }],
        [key(2, 53, 6), { service: 4, kind: 0, flags: 9 }],
      ]);
      expect(dump(maps)).toEqual(["1:53/17 2 0", "1:53/6 1 0", "1:54/6 3 0", "2:53/6 4 9"]);
    });

    it("tells frontends apart by scope, and keeps their kind (KP-26, PF-30)", () => {
      const port = key(0, 30_080, 6);
      maps.frontends.update([
        [port, { service: 1, kind: FrontendKind.EXTERNAL_IP, flags: 0 }],
        [
          { ...port, scope: 1 },
          { service: 2, kind: FrontendKind.NODE_PORT, flags: 0 },
        ],
        [
          { ...port, scope: 2 },
          { service: 0xffff_ffff, kind: FrontendKind.UNSERVED, flags: 255 },
        ],
      ]);
      const held = Array.from(
        maps.frontends.entries(),
        ([{ scope }, { service, kind, flags }]) => `${scope}: ${service} ${kind} ${flags}`,
      );
      expect(held.sort()).toEqual(["0: 1 1 0", "1: 2 3 0", "2: 4294967295 4 255"]);
    });

    it("replaces a frontend in place", () => {
      maps.frontends.update([[key(1, 53, 6), { service: 1, kind: 0, flags: 0 }]]);
      maps.frontends.update([[key(1, 53, 6), { service: 8, kind: 0, flags: 1 }]]);
      expect(dump(maps)).toEqual(["1:53/6 8 1"]);
    });

    it("deletes frontends, and takes absent ones for deleted", () => {
      maps.frontends.update([
        [key(1, 53, 6), { service: 1, kind: 0, flags: 0 }],
        [key(2, 53, 6), { service: 1, kind: 0, flags: 0 }],
        [key(3, 53, 6), { service: 1, kind: 0, flags: 0 }],
      ]);
      maps.frontends.delete([key(9, 53, 6), key(1, 53, 6), key(9, 54, 6), key(3, 53, 6)]);
      expect(dump(maps)).toEqual(["2:53/6 1 0"]);
    });

    it("takes batches of nothing and of everything", () => {
      const keys = Array.from({ length: 1024 }, (_, port) => key(1, port, 6));
      maps.frontends.update([]);
      maps.frontends.delete([]);
      maps.names.update([]);
      maps.frontends.update(keys.map((each, n) => [each, { service: n % 16, kind: 0, flags: 0 }]));
      expect([...maps.frontends.entries()]).toHaveLength(1024);
      maps.frontends.delete(keys);
      expect(dump(maps)).toEqual([]);
    });

    it("says that frontends are full and how many went in, and keeps those (PF-08)", () => {
      const all = Array.from({ length: 1030 }, (_, port) => key(1, port, 6));
      const error = thrownBy(() =>
        maps.frontends.update(all.map((each, n) => [each, { service: n % 16, kind: 0, flags: 0 }])),
      );
      expect(isMapFull(error)).toBe(true);
      expect(error).toMatchObject({ map: "frontends", done: 1024 });
      expect([...maps.frontends.entries()]).toHaveLength(1024);
    });

    it("replaces frontends of a full map", () => {
      const all = Array.from({ length: 1024 }, (_, port) => key(1, port, 6));
      maps.frontends.update(all.map((each) => [each, { service: 1, kind: 0, flags: 0 }]));
      maps.frontends.update([[key(1, 5, 6), { service: 2, kind: 0, flags: 0 }]]);
      expect(dump(maps)).toContain("1:5/6 2 0");
    });

    it("keeps source ranges of both families, by service (KP-24)", () => {
      const ranges = ["10.0.0.0/8", "10.0.0.0/16", "192.0.2.7/32", "2001:db8::/33", "::/0"];
      maps.sourceRanges.add(ranges.map((cidr) => keyOfRange(7, cidr)));
      maps.sourceRanges.add([keyOfRange(8, "10.0.0.0/8"), keyOfRange(7, "10.0.0.0/8")]);
      expect(rangesOf(maps)).toEqual([
        "7 10.0.0.0/16",
        "7 10.0.0.0/8",
        "7 192.0.2.7/32",
        "7 2001:db8::/33",
        "7 ::/0",
        "8 10.0.0.0/8",
      ]);
    });

    it("deletes source ranges alone, and takes absent ones for deleted", () => {
      maps.sourceRanges.add([keyOfRange(7, "10.0.0.0/8"), keyOfRange(7, "10.0.0.0/16")]);
      maps.sourceRanges.delete([
        keyOfRange(7, "10.0.0.0/9"),
        keyOfRange(7, "10.0.0.0/8"),
        keyOfRange(8, "10.0.0.0/16"),
      ]);
      maps.sourceRanges.delete([]);
      maps.sourceRanges.add([]);
      expect(rangesOf(maps)).toEqual(["7 10.0.0.0/16"]);
    });

    it("says that source ranges are full and how many went in, and keeps those (PF-08)", () => {
      const all = Array.from({ length: 70 }, (_, last) => keyOfRange(7, `10.0.0.${last}/32`));
      const error = thrownBy(() => maps.sourceRanges.add(all));
      expect(isMapFull(error)).toBe(true);
      expect(error).toMatchObject({ map: "source_ranges", done: 64 });
      expect(rangesOf(maps)).toHaveLength(64);
    });

    it("keeps ranges of ClusterIPs of both families, and deletes them alone (KP-31)", () => {
      const ranges = ["10.96.0.0/12", "10.96.0.0/16", "fd00:10:96::/112"];
      maps.serviceCidrs.add(ranges.map(keyOfServiceCidr));
      maps.serviceCidrs.add([keyOfServiceCidr("10.96.0.0/16")]);
      const held = () => Array.from(maps.serviceCidrs.entries(), textOfServiceCidr).sort();
      expect(held()).toEqual(ranges);
      maps.serviceCidrs.delete(["10.96.0.0/12", "10.96.0.0/13"].map(keyOfServiceCidr));
      expect(held()).toEqual(["10.96.0.0/16", "fd00:10:96::/112"]);
    });

    it("remembers between which ports NodePorts are", () => {
      maps.nodePorts.setBounds({ first: 30_080, last: 30_080 });
      expect(maps.nodePorts.bounds()).toEqual({ first: 30_080, last: 30_080 });
      maps.nodePorts.setBounds(widened(maps.nodePorts.bounds(), 65_535));
      maps.nodePorts.setBounds(widened(maps.nodePorts.bounds(), 30_100));
      maps.nodePorts.setBounds(widened(maps.nodePorts.bounds(), 1));
      expect(maps.nodePorts.bounds()).toEqual({ first: 1, last: 65_535 });
      maps.nodePorts.setBounds(noPorts);
      expect(maps.nodePorts.bounds()).toEqual(noPorts);
    });

    it("keeps names by index, as long as Kubernetes allows them", () => {
      const name = {
        nameSpace: "n".repeat(63),
        name: "s".repeat(63),
        portName: "p".repeat(63),
        family: 6,
        protocol: 17,
        port: 65_535,
      };
      maps.names.update([
        [15, name],
        [3, { ...name, name: "web", portName: "" }],
      ]);
      expect([...maps.names.entries()]).toEqual([
        [3, { ...name, name: "web", portName: "" }],
        [15, name],
      ]);
    });

    it("forgets a name whose family is set to 0", () => {
      const name = { nameSpace: "a", name: "b", portName: "", family: 4, protocol: 6, port: 80 };
      maps.names.update([[3, name]]);
      maps.names.update([
        [3, { nameSpace: "", name: "", portName: "", family: 0, protocol: 0, port: 0 }],
      ]);
      expect([...maps.names.entries()]).toEqual([]);
    });

    it("ends grace periods, however many are asked for", async () => {
      const ended = Promise.all([maps.gracePeriod(), maps.gracePeriod()]);
      subject.elapse?.();
      await expect(ended).resolves.toEqual([undefined, undefined]);
    });
  });
}

function key(last: number, port: number, protocol: number): FrontendKey {
  const address = new Uint8Array(16);
  address.set([0xff, 0xff, 10, 0, 0, last], 10);
  return { address, port, protocol, scope: 0 };
}

const dump = (maps: ServiceMaps): readonly string[] =>
  Array.from(
    maps.frontends.entries(),
    ([{ address, port, protocol }, { service, flags }]) =>
      `${address[15]}:${port}/${protocol} ${service} ${flags}`,
  ).sort();

const rangesOf = (maps: ServiceMaps): readonly string[] =>
  Array.from(maps.sourceRanges.entries(), (key) => `${key.service} ${textOfRange(key)}`).sort();

function thrownBy(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(MapError);
    return error;
  }
  return undefined;
}
