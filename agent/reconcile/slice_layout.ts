import type { Backend, DesiredService } from "../compile/records.ts";
import { spread } from "../compile/spread.ts";
import type { Slice } from "../datapath/slice.ts";

/** One run of slots in which both slices of a service are windows. */
export interface SliceLayout {
  /** Slot by slot, a position in the Service's backends. */
  readonly positions: ArrayLike<number>;
  /** Offsets count from the start of the run. */
  readonly cluster: Slice;
  readonly local: Slice;
}

type Shares = Pick<DesiredService, "backends" | "algorithm">;

/**
 * Where every backend has one slot, the slices overlap in what both hold. Otherwise a backend's
 * share depends on the others of its slice: the slices are one where they hold the same, and stand
 * one after the other where they do not.
 */
export function layOutSlices({ backends, algorithm }: Shares, tableSize: number): SliceLayout {
  if (algorithm === "random" && isEven(backends)) return overlapped(backends);
  const spreadOf = (members: readonly number[]): Uint32Array => {
    const targets = members.flatMap((at) => backends[at] ?? []);
    return spread(targets, algorithm, tableSize).map((at) => members[at] ?? 0);
  };
  const inCluster = positionsOf(backends, isInCluster);
  const inLocal = positionsOf(backends, isInLocal);
  const cluster = spreadOf(inCluster);
  const all = { offset: 0, count: cluster.length };
  if (inLocal.length === 0) return { positions: cluster, cluster: all, local: nothing };
  if (inLocal.join() === inCluster.join()) return { positions: cluster, cluster: all, local: all };
  const local = spreadOf(inLocal);
  const positions = new Uint32Array(cluster.length + local.length);
  positions.set(cluster);
  positions.set(local, cluster.length);
  return { positions, cluster: all, local: { offset: cluster.length, count: local.length } };
}

/** First what only the local slice holds, then what both do, then what only the cluster slice does. */
function overlapped(backends: readonly Backend[]): SliceLayout {
  const onlyLocal = positionsOf(backends, (it) => it.inLocal && !it.inCluster);
  const both = positionsOf(backends, (it) => it.inLocal && it.inCluster);
  const onlyCluster = positionsOf(backends, (it) => !it.inLocal && it.inCluster);
  const start = onlyLocal.length;
  return {
    positions: [...onlyLocal, ...both, ...onlyCluster],
    cluster: { offset: start, count: both.length + onlyCluster.length },
    local: { offset: 0, count: start + both.length },
  };
}

const nothing: Slice = { offset: 0, count: 0 };

const isEven = (backends: readonly Backend[]): boolean =>
  backends.every(({ weight }) => weight === backends[0]?.weight);

const isInCluster = ({ inCluster }: Backend): boolean => inCluster;

const isInLocal = ({ inLocal }: Backend): boolean => inLocal;

function positionsOf(
  backends: readonly Backend[],
  belongs: (backend: Backend) => boolean,
): readonly number[] {
  const positions: number[] = [];
  for (const [at, backend] of backends.entries()) if (belongs(backend)) positions.push(at);
  return positions;
}
