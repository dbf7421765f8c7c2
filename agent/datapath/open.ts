import { attachIter, type BpfLink, type BpfMap, type LoadedObject } from "libbpf-ts";
import type { IpFamily } from "../model/address.ts";
import { attachAll, mendAll, readPrograms } from "./attach.ts";
import { deviceHooksOf, type OpenedPrograms, openDevicePrograms } from "./device_open.ts";
import type { DevicePrograms } from "./device_programs.ts";
import { Devices } from "./devices.ts";
import { kernelMaps, kernelStats } from "./kernel_maps.ts";
import { load, type MapSizes } from "./load.ts";
import type { ServiceMaps, StatsMap } from "./maps.ts";
import { type NodeMaps, nodeMaps } from "./node_maps.ts";
import { sockParts } from "./optional_parts.ts";
import { type Pins, pinsAt } from "./pins.ts";
import { checkCgroup, preparePins } from "./place.ts";
import { writeProbeService } from "./probe_service.ts";
import type { FeatureReport, ProgramReport } from "./report.ts";
import { withoutReserve } from "./reserve.ts";

export interface DatapathOptions {
  readonly objectPath: string;
  /** Of the programs at devices; without it there are none. */
  readonly packetObjectPath?: string;
  readonly pinPath: string;
  readonly cgroupPath: string;
  readonly sizes: MapSizes;
}

/** The programs and maps in the kernel, up and attached. Closing it leaves all of them at work. */
export interface Datapath {
  readonly maps: ServiceMaps;
  readonly stats: StatsMap;
  readonly features: readonly FeatureReport[];
  /** Maps that were found pinned and taken over, instead of made. */
  readonly adopted: readonly string[];
  /** Walks connected UDP sockets; undefined where the kernel cannot. */
  readonly staleSockets: BpfLink | undefined;
  /** What the programs know of the node. */
  readonly node: NodeMaps;
  readonly devices: Devices;
  /** Undefined where the kernel refuses them. */
  readonly devicePrograms: DevicePrograms | undefined;
  /** See `readPacketCounts`. */
  readonly packetCounts: BpfMap;
  programs(): ProgramReport[];
  /** See `writeProbeService`. */
  serveProbe(endpointPorts: Readonly<Record<IpFamily, number>>): void;
  /**
   * Attaches what is not attached to the cgroup, and puts our programs in place of others at our
   * links. Gives the names of those.
   * @throws {DatapathError} "attach".
   */
  mend(): readonly string[];
  /** What the kernel charges for a map, in bytes. */
  memoryBytes(map: string): number;
  /** Without what is in reserve. */
  capacity(map: string): number;
  close(): void;
}

/** @throws {DatapathError} with what mends it. */
export function openDatapath(options: DatapathOptions): Datapath {
  const { objectPath, packetObjectPath, pinPath, cgroupPath, sizes } = options;
  const pins = pinsAt(pinPath);
  checkCgroup(cgroupPath);
  preparePins(pins);
  const { object, features, adopted } = load({
    objectPath,
    pins,
    sizes,
    pinsMaps: true,
    parts: sockParts,
  });
  try {
    attachAll(object, pins, cgroupPath);
  } catch (error) {
    object.close();
    throw error;
  }
  const packets =
    packetObjectPath === undefined ? none : openDevicePrograms(packetObjectPath, pins);
  return datapathOf(object, packets, pins, cgroupPath, features, adopted);
}

const none: OpenedPrograms = { programs: undefined, features: [] };

function datapathOf(
  object: LoadedObject,
  packets: OpenedPrograms,
  pins: Pins,
  cgroupPath: string,
  features: readonly FeatureReport[],
  adopted: readonly string[],
): Datapath {
  const iterator = object.programs.get("sluice_stale_udp");
  const staleSockets = iterator && attachIter(iterator, { map: object.map("connected_udp") });
  const node = nodeMaps((name) => object.map(name));
  return {
    maps: kernelMaps((name) => object.map(name)),
    stats: kernelStats(object.map("service_stats")),
    features: [...features, ...packets.features],
    adopted,
    staleSockets,
    node,
    devices: new Devices({
      programs: packets.programs,
      hooks: deviceHooksOf(pins),
      maps: node,
      pins,
    }),
    devicePrograms: packets.programs,
    packetCounts: object.map("packet_counts"),
    programs: () => readPrograms(pins, cgroupPath),
    serveProbe: (endpointPorts) => writeProbeService((map) => object.map(map), endpointPorts),
    mend: () => mendAll(object, pins, cgroupPath),
    memoryBytes: (map) => object.map(map).memoryBytes,
    capacity: (map) => withoutReserve(map, object.map(map).info.maxEntries),
    close() {
      staleSockets?.close();
      packets.programs?.close();
      object.close();
    },
  };
}
