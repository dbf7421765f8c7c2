import { ServiceFlag } from "../../bpf/build/layout.ts";
import { IndexAllocator } from "../datapath/allocator_index.ts";
import { RunAllocator } from "../datapath/allocator_run.ts";
import type { ServiceMaps } from "../datapath/maps.ts";
import type { Slice } from "../datapath/slice.ts";
import { textOfKey } from "./frontend_text.ts";
import { Guards, isGuard } from "./guards.ts";
import { HeldFrontends } from "./held_frontends.ts";
import { liveBackends, slicesOf } from "./live_backends.ts";
import { keyOfName } from "./service_name.ts";
import { anonymousKey, ServiceTable } from "./service_table.ts";
import type { EndpointSpace } from "./service_writer.ts";
import { SourceRanges } from "./source_ranges.ts";

/** Something in the maps that no agent leaves there, or only one that was stopped midway. */
export interface Finding {
  /** A Service port, or a record by its map and index. */
  readonly target: string;
  readonly message: string;
}

/** What the maps hold, as the reconciler needs to know it. */
export interface Adopted {
  readonly table: ServiceTable;
  readonly held: HeldFrontends;
  readonly guards: Guards;
  readonly sourceRanges: SourceRanges;
  readonly space: EndpointSpace;
  /** Backends that are live and that no slice names: for removal with the first full sync. */
  readonly orphans: readonly number[];
  /** Slots or records were claimed that no Service is going to give back. */
  readonly isLeaking: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Rebuilds everything from the maps alone and writes nothing (PF-02). What is inconsistent keeps
 * its place, so that no index is given away under a live lookup; what stands at an index without a
 * name goes by an anonymous key that no Service has.
 */
export function adoptMaps(maps: ServiceMaps): Adopted {
  const findings: Finding[] = [];
  const report = (target: string, message: string) => findings.push({ target, message });
  const table = new ServiceTable(maps.services.length);
  const held = new HeldFrontends();
  const guards = new Guards(maps.frontends);
  adoptNames(maps, table, report);
  adoptServices(maps, table, report);
  adoptFrontends(maps, table, held, guards, report);
  const owned = table.keys().flatMap((key) => table.index(key) ?? []);
  const inRange = owned.filter((index) => index < maps.services.length);
  const runs = new RunAllocator(maps.slots.length);
  const overlapping = adoptSlices(maps, table, inRange, runs, report);
  const backends = new IndexAllocator(maps.backends.length);
  const { orphans, strays } = adoptBackends(maps, table, inRange, backends, report);
  const sourceRanges = adoptSourceRanges(maps, table, report);
  const space = { backends, runs, overlapping };
  const isLeaking = strays || overlapping.size > 0;
  return { table, held, guards, sourceRanges, space, orphans, isLeaking, findings };
}

type Report = (target: string, message: string) => void;

function adoptNames(maps: ServiceMaps, table: ServiceTable, report: Report): void {
  for (const [index, record] of maps.names.entries()) {
    const key = keyOfName(record);
    const usable = key !== undefined && table.index(key) === undefined;
    if (key === undefined) report(`names[${index}]`, "names no Service port");
    else if (!usable) report(`names[${index}]`, `repeats the name ${key}`);
    table.add(usable ? key : anonymousKey(index), index);
    table.setNamedPort(index, record.port);
    table.indices.claim(index);
  }
}

function adoptServices(maps: ServiceMaps, table: ServiceTable, report: Report): void {
  const { services } = maps;
  for (let index = 0; index < services.length; index++) {
    const inUse = (services.flags(index) & ServiceFlag.IN_USE) !== 0;
    const key = table.key(index);
    if (key !== undefined && !inUse) report(key, "has a name but no service");
    if (key !== undefined) continue;
    const isChosen = services.cluster(index) !== 0n || services.local(index) !== 0n;
    if (!isChosen && services.flags(index) === 0) continue;
    report(`services[${index}]`, "is in use without a name");
    table.add(anonymousKey(index), index);
    table.indices.claim(index);
  }
}

function adoptFrontends(
  maps: ServiceMaps,
  table: ServiceTable,
  held: HeldFrontends,
  guards: Guards,
  report: Report,
): void {
  const entries = [...maps.frontends.entries()];
  for (const [key, value] of entries) if (isGuard(key)) guards.adopt(key, value);
  for (const [key, value] of entries) {
    if (isGuard(key)) continue;
    const { service } = value;
    const frontend = textOfKey(key);
    // One index past the end stands for all that are out of range.
    const owner = Math.min(service, maps.services.length);
    held.set(frontend, { ...value, service: owner });
    guards.gained(frontend);
    const known = table.key(owner) !== undefined;
    if (known && owner === service) continue;
    report(frontend, `leads to service ${service}, which is not in use`);
    if (!known) table.add(anonymousKey(owner), owner);
    table.indices.claim(owner);
  }
}

function adoptSourceRanges(maps: ServiceMaps, table: ServiceTable, report: Report): SourceRanges {
  const ranges = new SourceRanges(maps.sourceRanges);
  const stale = ranges.services().filter((service) => table.key(service) === undefined);
  if (stale.length > 0)
    report("source_ranges", `${stale.length} services with ranges are not in use`);
  return ranges;
}

/** Claims the slots of every service, and returns the services whose slices overlap another's. */
function adoptSlices(
  maps: ServiceMaps,
  table: ServiceTable,
  services: readonly number[],
  runs: RunAllocator,
  report: Report,
): Set<number> {
  let isDisjoint = true;
  for (const service of services) {
    const covered = coveredRuns(slicesOf(maps, service));
    const free = covered.map(({ offset, count }) => runs.claim(offset, count));
    if (free.every((wasFree) => wasFree)) continue;
    report(nameOf(table, service), "has a slice that overlaps another's");
    isDisjoint = false;
  }
  return isDisjoint ? new Set() : overlappingOf(maps, services);
}

/** Each service one of whose runs meets one of another's. */
function overlappingOf(maps: ServiceMaps, services: readonly number[]): Set<number> {
  const overlapping = new Set<number>();
  const runs = services
    .flatMap((service) => coveredRuns(slicesOf(maps, service)).map((run) => ({ service, run })))
    .sort((a, b) => a.run.offset - b.run.offset);
  let furthest = runs[0];
  for (const each of runs.slice(1)) {
    if (furthest !== undefined && each.run.offset < endOf(furthest.run)) {
      overlapping.add(each.service).add(furthest.service);
    }
    if (furthest === undefined || endOf(each.run) > endOf(furthest.run)) furthest = each;
  }
  return overlapping;
}

/**
 * Claims every record that is live or that a slot names, and returns those that are live in vain:
 * written by an agent that was stopped before it published them, or not yet retired by it.
 */
function adoptBackends(
  maps: ServiceMaps,
  table: ServiceTable,
  services: readonly number[],
  indices: IndexAllocator,
  report: Report,
): { readonly orphans: readonly number[]; readonly strays: boolean } {
  let anyStrays = false;
  for (const service of services) {
    const { byEndpoint, surplus, strays } = liveBackends(maps, service);
    if (strays.length > 0) reportStrays(nameOf(table, service), strays, report);
    if (strays.length > 0) anyStrays = true;
    for (const { index } of byEndpoint.values()) indices.claim(index);
    for (const index of [...surplus, ...strays]) if (index !== undefined) indices.claim(index);
  }
  const orphans: number[] = [];
  for (let index = 0; index < maps.backends.length; index++) {
    if (maps.backends.flags(index) !== 0 && indices.claim(index)) orphans.push(index);
  }
  if (orphans.length > 0) report("backends", `${orphans.length} live records are in no slice`);
  return { orphans, strays: anyStrays };
}

function reportStrays(
  target: string,
  strays: readonly (number | undefined)[],
  report: Report,
): void {
  const slots = strays.filter((index) => index !== undefined).length;
  if (slots < strays.length) report(target, "has a slice that is out of range");
  if (slots > 0) report(target, `has ${slots} slots that name no backend of it`);
}

/** The two slices of a service are windows of one run, or were cut from two. */
function coveredRuns(slices: readonly Slice[]): readonly Slice[] {
  const [a, b] = slices.filter(({ count }) => count > 0);
  if (a === undefined) return [];
  if (b === undefined) return [a];
  if (!overlap(a, b)) return [a, b];
  const offset = Math.min(a.offset, b.offset);
  return [{ offset, count: Math.max(endOf(a), endOf(b)) - offset }];
}

const overlap = (a: Slice, b: Slice): boolean => a.offset < endOf(b) && b.offset < endOf(a);

const endOf = ({ offset, count }: Slice): number => offset + count;

const nameOf = (table: ServiceTable, service: number): string =>
  table.key(service) ?? anonymousKey(service);
