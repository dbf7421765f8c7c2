import {
  BpfError,
  type BpfMap,
  type BpfProgram,
  inNetns,
  type LoadedObject,
  openObject,
} from "libbpf-ts";
import {
  packetCountCodec,
  packetCountKeyCodec,
  type ServiceStats,
  serviceStatsCodec,
} from "../../../bpf/build/layout.ts";
import type { Configuration } from "../model/configuration.ts";
import { writeConfiguration } from "./maps.ts";
import { PacketNamespace } from "./namespace.ts";

export type Hook = "from_outside" | "to_outside" | "from_pod";

export const hooks: readonly Hook[] = ["from_outside", "to_outside", "from_pod"];

/** What a program made of a packet. */
export interface Result {
  /** Signed: TC_ACT_UNSPEC is -1. */
  readonly verdict: number;
  readonly packet: Uint8Array;
  readonly durationNs: number;
}

export interface RunOptions {
  /** Bytes of payload of each segment, for a packet that the device is to cut. */
  readonly gsoSize?: number;
  /** The kernel checks afterwards that the packet's own sum was kept right (see `watchesSums`). */
  readonly checkSum?: boolean;
}

export interface RigOptions {
  /** Sizes of maps that differ from the rig's. */
  readonly maxEntries?: Readonly<Record<string, number>>;
  /** Bytes of link-layer header; default 14. */
  readonly macHeader?: number;
  /** Path of an object other than the shipped one, to see whether a fault in it is noticed. */
  readonly object?: string;
}

/** A `flows` entry, raw. */
export type Entry = readonly [key: Uint8Array, value: Uint8Array];

const shipped = new URL("../../../bpf/build/tc.bpf.o", import.meta.url).pathname;

const sizes: Readonly<Record<string, number>> = {
  frontends: 256,
  services: 64,
  slots: 1024,
  backends: 2048,
  service_names: 1,
  service_stats: 64,
  affinities: 1024,
  flows: 4096,
  fragments: 1024,
  packet_counts: 1024,
  source_ranges: 64,
  node_addresses: 64,
  devices: 64,
  tcp_peers: 64,
};

/** BPF_PROG_RUN takes no frame that says IP and is too short for its fixed header (EINVAL). */
export function isAccepted(frame: Uint8Array): boolean {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  return frame.length >= (type === 0x0800 ? 34 : type === 0x86dd ? 54 : 14);
}

const BPF_F_TEST_SKB_CHECKSUM_COMPLETE = 4;
const contextBytes = 192;
const at = { ingressIfindex: 36, ifindex: 40, gsoSegs: 164, gsoSize: 176 } as const;

/** The shipped object with maps of its own, and the world around it. */
export class Rig implements AsyncDisposable {
  readonly object: LoadedObject;
  readonly #namespace: PacketNamespace;
  readonly #programs: Readonly<Record<Hook, BpfProgram>>;
  readonly #context = new Uint8Array(contextBytes);

  private constructor(namespace: PacketNamespace, object: LoadedObject) {
    this.#namespace = namespace;
    this.object = object;
    this.#programs = {
      from_outside: object.program("sluice_from_outside"),
      to_outside: object.program("sluice_to_outside"),
      from_pod: object.program("sluice_from_pod"),
    };
  }

  static async create(options: RigOptions = {}): Promise<Rig> {
    const namespace = await PacketNamespace.create();
    try {
      return new Rig(namespace, load(options));
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Calls back inside the world's network namespace; `run` works nowhere else. */
  inside<T>(callback: () => T): T {
    return inNetns(this.#namespace.path, callback);
  }

  configure(configuration: Configuration): void {
    writeConfiguration(this.object, configuration);
  }

  run(hook: Hook, ifindex: number, packet: Uint8Array, options: RunOptions = {}): Result {
    const view = new DataView(this.#context.buffer);
    view.setUint32(at.ifindex, ifindex, true);
    view.setUint32(at.ingressIfindex, hook === "to_outside" ? 0 : ifindex, true);
    view.setUint32(at.gsoSize, options.gsoSize ?? 0, true);
    view.setUint32(
      at.gsoSegs,
      options.gsoSize ? Math.ceil(packet.length / options.gsoSize) : 0,
      true,
    );
    const { returnValue, data, durationNs } = this.#programs[hook].testRun({
      data: packet,
      context: this.#context,
      flags: options.checkSum ? BPF_F_TEST_SKB_CHECKSUM_COMPLETE : 0,
    });
    return { verdict: returnValue | 0, packet: data, durationNs };
  }

  /** Whether the kernel knows BPF_F_TEST_SKB_CHECKSUM_COMPLETE (6.17, and stable ones since). */
  watchesSums(): boolean {
    const frame = new Uint8Array(64);
    try {
      this.#programs.from_pod.testRun({ data: frame, flags: BPF_F_TEST_SKB_CHECKSUM_COMPLETE });
      return true;
    } catch (error) {
      if (error instanceof BpfError && error.code === "EINVAL") return false;
      throw error;
    }
  }

  /** Forgets what packets have left behind; the configuration stays. */
  forget(): void {
    for (const name of ["flows", "fragments", "affinities"]) clear(this.object.map(name));
  }

  flows(): readonly Entry[] {
    return [...this.object.map("flows").entries()].map(([key, value]) => [
      key.slice(),
      value.slice(),
    ]);
  }

  /** Packets by `device:reason`, since the maps were made. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [key, value] of this.object.map("packet_counts").entries()) {
      const { device, reason } = packetCountKeyCodec.decode(key);
      let packets = 0;
      for (let cpu = 0; cpu < value.length; cpu += packetCountCodec.size) {
        packets += Number(packetCountCodec.decode(value, cpu).packets);
      }
      counts.set(`${device}:${reason}`, packets);
    }
    return counts;
  }

  /** What is counted of a service, all CPUs together. */
  stats(service: number): ServiceStats {
    const value = this.object.map("service_stats").lookup(Uint8Array.of(service, 0, 0, 0));
    const all = Array.from({ length: (value?.length ?? 0) / serviceStatsCodec.size }, (_, cpu) =>
      serviceStatsCodec.decode(value!, cpu * serviceStatsCodec.size),
    );
    const names = Object.keys(all[0] ?? {}) as (keyof ServiceStats)[];
    const sums = names.map((name) => [name, all.reduce((sum, each) => sum + each[name], 0n)]);
    return Object.fromEntries(sums) as ServiceStats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.object.close();
    await this.#namespace[Symbol.asyncDispose]();
  }
}

function load({ maxEntries = {}, macHeader, object: path = shipped }: RigOptions): LoadedObject {
  const object = openObject(path);
  for (const [map, entries] of Object.entries({ ...sizes, ...maxEntries })) {
    if (object.maps.has(map)) object.setMaxEntries(map, entries);
  }
  if (macHeader !== undefined) object.setGlobal("mac_header", macHeader);
  return object.load();
}

function clear(map: BpfMap): void {
  for (const key of [...map.keys()]) map.delete(key);
}
