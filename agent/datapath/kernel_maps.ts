import { type BpfMap, isFull, isUnsupported, possibleCpus, rcuGracePeriod } from "libbpf-ts";
import {
  BackendArray,
  type Codec,
  type FrontendKey,
  frontendCodec,
  frontendKeyCodec,
  ServiceArray,
  type ServiceName,
  type ServiceStats,
  SettingsArray,
  serviceCidrKeyCodec,
  serviceNameCodec,
  serviceStatsCodec,
  sourceRangeKeyCodec,
} from "../../bpf/build/layout.ts";
import { MapError } from "./map_error.ts";
import type { FrontendMap, NameMap, RangeMap, ServiceMaps, StatsMap } from "./maps.ts";
import { nodePortsOf } from "./node_ports.ts";
import { isReserved, withoutReserve } from "./reserve.ts";

/** Long enough for any program to have ended, where the kernel cannot say when it has. */
const GRACE_MS = 1_000;

const SLOTS_PER_LINE = 16;

const indexCodec: Codec<number> = {
  size: 4,
  encode: (value, into, at = 0) =>
    new DataView(into.buffer, into.byteOffset + at, 4).setUint32(0, value, true),
  decode: (from, at = 0) => new DataView(from.buffer, from.byteOffset + at, 4).getUint32(0, true),
};

/**
 * The service maps in the kernel, without what is in reserve. `map` gives each one by its name in
 * maps.h.
 */
export function kernelMaps(map: (name: string) => BpfMap): ServiceMaps {
  const room = (name: string) => withoutReserve(name, map(name).info.maxEntries);
  const services = room("services");
  return {
    services: new ServiceArray(map("services").mmap(), services),
    backends: new BackendArray(map("backends").mmap(), room("backends")),
    slots: new Uint32Array(map("slots").mmap(), 0, room("slots") * SLOTS_PER_LINE),
    frontends: kernelFrontends(map("frontends"), services),
    names: kernelNames(map("service_names")),
    sourceRanges: kernelRanges(
      map("source_ranges"),
      sourceRangeKeyCodec,
      ({ service }) => !isReserved(service, services),
    ),
    serviceCidrs: kernelRanges(map("service_cidrs"), serviceCidrKeyCodec),
    nodePorts: nodePortsOf(new SettingsArray(map("settings").mmap())),
    gracePeriod,
  };
}

export function kernelStats(map: BpfMap): StatsMap {
  const key = new Uint8Array(4);
  const values = new Uint8Array(map.valueBytes);
  return {
    read(service) {
      indexCodec.encode(service, key);
      map.lookupInto(key, values);
      return sumStats(values);
    },
  };
}

async function gracePeriod(): Promise<void> {
  try {
    await rcuGracePeriod();
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
  }
}

function kernelFrontends(map: BpfMap, services: number): FrontendMap {
  return {
    capacity: withoutReserve("frontends", map.info.maxEntries),
    *entries() {
      for (const batch of map.lookupBatch()) {
        for (let i = 0; i < batch.count; i++) {
          const value = frontendCodec.decode(batch.values, i * frontendCodec.size);
          if (isReserved(value.service, services)) continue;
          yield [frontendKeyCodec.decode(batch.keys, i * frontendKeyCodec.size), value];
        }
      }
    },
    update: (entries) => updateAll(map, frontendKeyCodec, frontendCodec, entries),
    delete: (keys) => deleteAll<FrontendKey>(map, frontendKeyCodec, keys),
  };
}

/** Tries take no batches before Linux 5.14: libbpf-ts then makes a call for each entry. */
function kernelRanges<Key>(
  map: BpfMap,
  codec: Codec<Key>,
  isShown: (key: Key) => boolean = () => true,
): RangeMap<Key> {
  return {
    capacity: withoutReserve(map.info.name, map.info.maxEntries),
    *entries() {
      for (const batch of map.lookupBatch()) {
        for (let i = 0; i < batch.count; i++) {
          const key = codec.decode(batch.keys, i * codec.size);
          if (isShown(key)) yield key;
        }
      }
    },
    add: (ranges) =>
      updateAll(
        map,
        codec,
        indexCodec,
        ranges.map((range) => [range, 0]),
      ),
    delete: (ranges) => deleteAll(map, codec, ranges),
  };
}

function kernelNames(map: BpfMap): NameMap {
  return {
    *entries() {
      for (const batch of map.lookupBatch()) yield* namesIn(batch);
    },
    update: (entries) => updateAll(map, indexCodec, serviceNameCodec, entries),
  };
}

function* namesIn(batch: {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}): Generator<readonly [number, ServiceName]> {
  for (let i = 0; i < batch.count; i++) {
    const at = i * serviceNameCodec.size;
    const name = serviceNameCodec.decode(batch.values, at);
    if (name.family !== 0) yield [indexCodec.decode(batch.keys, i * 4), name];
  }
}

function updateAll<K, V>(
  map: BpfMap,
  keyCodec: Codec<K>,
  valueCodec: Codec<V>,
  entries: readonly (readonly [K, V])[],
): void {
  if (entries.length === 0) return;
  const keys = encodeAll(
    keyCodec,
    entries.map(([key]) => key),
  );
  const values = encodeAll(
    valueCodec,
    entries.map(([, value]) => value),
  );
  inBatch(map, () => map.updateBatch(keys, values, entries.length));
}

function deleteAll<K>(map: BpfMap, codec: Codec<K>, keys: readonly K[]): void {
  const bytes = encodeAll(codec, keys);
  inBatch(map, () => map.deleteBatch(bytes, keys.length));
}

function encodeAll<T>(codec: Codec<T>, values: readonly T[]): Uint8Array {
  const bytes = new Uint8Array(values.length * codec.size);
  for (const [i, value] of values.entries()) codec.encode(value, bytes, i * codec.size);
  return bytes;
}

function inBatch(map: BpfMap, write: () => void): void {
  try {
    write();
  } catch (cause) {
    const done = cause instanceof Error && "done" in cause ? Number(cause.done) : 0;
    const { name, maxEntries } = map.info;
    throw isFull(cause)
      ? new MapError("full", name, done, `${name} is full: it holds ${maxEntries} entries`, cause)
      : new MapError("failed", name, done, `${name} could not be written`, cause);
  }
}

function sumStats(values: Uint8Array): ServiceStats {
  const sum: { -readonly [counter in keyof ServiceStats]: bigint } =
    serviceStatsCodec.decode(values);
  const counters = Object.keys(sum) as (keyof ServiceStats)[];
  for (let cpu = 1; cpu < possibleCpus(); cpu++) {
    const one = serviceStatsCodec.decode(values, cpu * serviceStatsCodec.size);
    for (const counter of counters) sum[counter] += one[counter];
  }
  return sum;
}
