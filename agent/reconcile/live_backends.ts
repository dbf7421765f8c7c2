import { BackendFlag } from "../../bpf/build/layout.ts";
import type { ServiceMaps } from "../datapath/maps.ts";
import { type Slice, unpackSlice } from "../datapath/slice.ts";

/** A backend record that a service selects. */
export interface LiveBackend {
  readonly index: number;
  /** BackendFlag.IN_CLUSTER and IN_LOCAL, by the slices and not by the record. */
  readonly slices: number;
}

/** What the maps hold for one service. */
export interface LiveBackends {
  /** By `endpointKey`. */
  readonly byEndpoint: ReadonlyMap<string, LiveBackend>;
  /** Further records of an endpoint: nothing that this agent writes. */
  readonly surplus: readonly number[];
  /** Slots that lead to no record of this service; undefined: the slice itself is out of range. */
  readonly strays: readonly (number | undefined)[];
}

export const SLICE_FLAGS = BackendFlag.IN_CLUSTER | BackendFlag.IN_LOCAL;

/** The two slices of a service that lie within the map. */
export function slicesOf(maps: ServiceMaps, service: number): readonly Slice[] {
  const { services } = maps;
  const slices = [unpackSlice(services.cluster(service)), unpackSlice(services.local(service))];
  return slices.filter((slice) => isWithin(maps, slice));
}

/** Reads the endpoints of a service back from the maps. */
export function liveBackends(maps: ServiceMaps, service: number): LiveBackends {
  const byEndpoint = new Map<string, LiveBackend>();
  const surplus: number[] = [];
  const strays: (number | undefined)[] = [];
  const read = (word: bigint, flag: number) => {
    const slice = unpackSlice(word);
    if (!isWithin(maps, slice)) strays.push(undefined);
    else for (const index of new Set(indicesOf(maps, slice))) add(index, flag);
  };
  const add = (index: number, flag: number) => {
    if (!belongs(maps, index, service)) {
      strays.push(index);
      return;
    }
    const key = endpointKey(maps.backends.address(index), maps.backends.port(index));
    const known = byEndpoint.get(key);
    if (known === undefined) byEndpoint.set(key, { index, slices: flag });
    else if (known.index === index) byEndpoint.set(key, { index, slices: known.slices | flag });
    else surplus.push(index);
  };
  read(maps.services.cluster(service), BackendFlag.IN_CLUSTER);
  read(maps.services.local(service), BackendFlag.IN_LOCAL);
  return { byEndpoint, surplus, strays };
}

/** One short string per address (16 bytes) and port, cheap to make and to compare. */
export function endpointKey(address: Uint8Array, port: number): string {
  const unit = (at: number) => ((address[at] ?? 0) << 8) | (address[at + 1] ?? 0);
  return String.fromCharCode(
    unit(0),
    unit(2),
    unit(4),
    unit(6),
    unit(8),
    unit(10),
    unit(12),
    unit(14),
    port,
  );
}

const indicesOf = ({ slots }: ServiceMaps, { offset, count }: Slice): Uint32Array =>
  slots.subarray(offset, offset + count);

const isWithin = ({ slots }: ServiceMaps, { offset, count }: Slice): boolean =>
  offset + count <= slots.length;

function belongs({ backends }: ServiceMaps, index: number, service: number): boolean {
  return (
    index < backends.length &&
    backends.service(index) === service &&
    (backends.flags(index) & SLICE_FLAGS) !== 0
  );
}
