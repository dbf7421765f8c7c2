import { type BpfMap, openObject } from "libbpf-ts";
import { describe, expect, it } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { kernelMaps } from "../../agent/datapath/kernel_maps.ts";
import { writeProbeService } from "../../agent/datapath/probe_service.ts";
import {
  conformanceCapacity,
  type MapsUnderTest,
  serviceMapsConformance,
} from "./service_maps.conformance.ts";

const slotsPerLine = 16;

serviceMapsConformance("the kernel's maps", (): MapsUnderTest => {
  const { services, backends, slots, frontends, sourceRanges } = conformanceCapacity;
  using object = openObject(bpfObjectPath("sock"));
  object.setMaxEntries("services", services + 2);
  object.setMaxEntries("service_names", services);
  object.setMaxEntries("service_stats", services + 2);
  object.setMaxEntries("backends", backends + 2);
  object.setMaxEntries("slots", slots / slotsPerLine + 1);
  object.setMaxEntries("frontends", frontends + 2);
  object.setMaxEntries("source_ranges", sourceRanges + 2);
  object.setMaxEntries("affinities", 16);
  const loaded = object.load();
  writeProbeService((name) => loaded.map(name), { IPv4: 1, IPv6: 2 });
  return { maps: kernelMaps((name) => loaded.map(name)), close: () => loaded.close() };
});

describe("the maps at their default sizes", () => {
  it("take at most 32 MiB of kernel memory on two CPUs, and 28 MiB for the per-packet path", () => {
    using object = openObject(bpfObjectPath("sock"));
    using loaded = object.load();
    const charged = { services: 0, packets: 0 };
    for (const [name, map] of loaded.maps) {
      charged[perPacket.has(name) ? "packets" : "services"] += chargedOnTwoCpus(map);
    }
    expect(charged.services).toBeGreaterThan(16 * 2 ** 20);
    expect(charged.services).toBeLessThanOrEqual(32 * 2 ** 20);
    expect(charged.packets).toBeGreaterThan(16 * 2 ** 20);
    expect(charged.packets).toBeLessThanOrEqual(28 * 2 ** 20);
  });

  it("hold 16k Service ports, 256k endpoints and 64k frontends", () => {
    using object = openObject(bpfObjectPath("sock"));
    const sizes = Object.fromEntries([...object.maps].map(([name, map]) => [name, map.maxEntries]));
    expect(sizes).toMatchObject({
      frontends: 65_536,
      services: 16_384,
      service_names: 16_384,
      service_stats: 16_384,
      backends: 262_144,
      slots: 32_768,
      affinities: 65_536,
      source_ranges: 65_536,
      flows: 131_072,
    });
  });
});

const perPacket = new Set(["flows", "fragments", "packet_counts"]);

/** A per-CPU map's values beyond those of two CPUs are left out: they grow with the machine. */
function chargedOnTwoCpus(map: BpfMap): number {
  const { type, valueSize, maxEntries } = map.info;
  if (type !== "percpu_array" && type !== "percpu_hash") return map.memoryBytes;
  const cpus = map.valueBytes / valueSize;
  return map.memoryBytes - Math.max(0, cpus - 2) * valueSize * maxEntries;
}
