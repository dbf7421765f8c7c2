import type { ServiceMaps } from "../datapath/maps.ts";
import type { Adopted } from "./adopt.ts";
import { nodePortsBeyond } from "./audit_scan.ts";
import { addressOfText } from "./frontend_text.ts";
import { sameValue } from "./frontend_value.ts";
import type { ServiceCidrTable } from "./service_cidr_table.ts";
import { anonymousKey, isAnonymous } from "./service_table.ts";

/** The maps that are audited, by their names in maps.h. `services` includes what they choose from. */
export const auditedMaps = [
  "frontends",
  "services",
  "backends",
  "service_names",
  "source_ranges",
  "service_cidrs",
  "node_addresses",
  "settings",
] as const;

export type AuditedMap = (typeof auditedMaps)[number];

/** Something in a map that is not what was written there: somebody else wrote (KP-54). */
export interface Discrepancy {
  readonly map: AuditedMap;
  /** A `portKey`, or what else it is about. */
  readonly target: string;
  readonly message: string;
}

export interface Readopted {
  readonly found: readonly Discrepancy[];
  /** The `portKey`s of what has to be applied anew. */
  readonly affected: ReadonlySet<string>;
  /** Those of what no Service wants. */
  readonly unwanted: ReadonlySet<string>;
}

interface Belief {
  readonly adopted: Adopted;
  readonly serviceCidrs: ServiceCidrTable;
}

/**
 * What was thought to stand against what does. `misplaced`: the `portKey`s of Services that do not
 * choose from what they should.
 */
export function discrepancies(
  maps: ServiceMaps,
  before: Belief,
  after: Belief,
  misplaced: Iterable<string>,
): Readopted {
  const found: Discrepancy[] = [];
  const affected = new Set<string>();
  const known = new Set(before.adopted.table.keys());
  const unwanted = new Set(after.adopted.table.keys().filter((key) => !known.has(key)));
  const note: Note = (map, target, message, other = target) => {
    found.push({ map, target, message });
    for (const key of [target, other]) if (!unwanted.has(key)) affected.add(key);
  };
  for (const key of misplaced) note("services", key, "its endpoints were not what was written");
  compareFrontends(before.adopted, after.adopted, note);
  compareGuards(before.adopted, after.adopted, note);
  compareSourceRanges(before.adopted, after.adopted, note);
  compareServiceCidrs(before.serviceCidrs, after.serviceCidrs, note);
  for (const text of nodePortsBeyond({ maps, adopted: after.adopted })) {
    const owner = after.adopted.held.owner(text) ?? -1;
    note("settings", nameOf(after.adopted, owner), `the bounds of NodePorts left out ${text}`);
  }
  for (const key of unwanted) note("services", key, "was in use, and belongs to no Service");
  noteOrphans(maps, after.adopted, affected, note);
  return { found, affected, unwanted };
}

type Note = (map: AuditedMap, target: string, message: string, other?: string) => void;

function compareFrontends(before: Adopted, after: Adopted, note: Note): void {
  for (const text of before.held.texts()) {
    const was = before.held.value(text);
    const is = after.held.value(text);
    if (was === undefined || (is !== undefined && sameValue(was, is))) continue;
    const owner = nameOf(before, was.service);
    if (is === undefined) note("frontends", owner, `${text} was missing`);
    else if (is.service === was.service) note("frontends", owner, `${text} had other flags`);
    else {
      const other = nameOf(after, is.service);
      note("frontends", owner, `${text} led to ${other}`, other);
    }
  }
  for (const text of after.held.texts()) {
    if (before.held.value(text) !== undefined) continue;
    const owner = nameOf(after, after.held.owner(text) ?? -1);
    note("frontends", owner, `${text} led to it, which nobody asked for`);
  }
}

function compareGuards(before: Adopted, after: Adopted, note: Note): void {
  const [stood, stands] = [before.guards.standing(), after.guards.standing()];
  for (const address of stood) {
    if (stands.has(address)) continue;
    const frontend = before.held.texts().find((text) => addressOfText(text) === address) ?? "";
    const name = nameOf(before, before.held.owner(frontend) ?? -1);
    note("frontends", name, `unserved ports of ${address} were not refused`);
  }
  for (const address of stands) {
    if (stood.has(address)) continue;
    note("frontends", address, "its ports were refused, though no Service has it");
  }
}

function compareSourceRanges(before: Adopted, after: Adopted, note: Note): void {
  const [had, has] = [before.sourceRanges, after.sourceRanges];
  for (const service of new Set([...had.services(), ...has.services()])) {
    const [was, is] = [had.of(service), has.of(service)];
    if (was.size === is.size && [...was].every((cidr) => is.has(cidr))) continue;
    const name = nameOf(before, service);
    note("source_ranges", name, `it was open to ${listOf(is)} instead of ${listOf(was)}`);
  }
}

function compareServiceCidrs(before: ServiceCidrTable, after: ServiceCidrTable, note: Note): void {
  for (const cidr of before.held()) {
    if (!after.holds(cidr)) note("service_cidrs", cidr, "was missing");
  }
  for (const cidr of after.held()) {
    if (!before.holds(cidr)) note("service_cidrs", cidr, "was there, though no ServiceCIDR has it");
  }
}

/** Those of a Service that is not what it should be went with its slices. */
function noteOrphans(
  { backends }: ServiceMaps,
  { table, orphans }: Adopted,
  affected: ReadonlySet<string>,
  note: Note,
): void {
  for (const index of orphans) {
    const owner = table.key(backends.service(index));
    if (owner !== undefined && affected.has(owner)) continue;
    note("backends", `backends[${index}]`, "was alive, and belongs to no Service");
  }
}

const listOf = (ranges: ReadonlySet<string>): string => [...ranges].sort().join(", ") || "nobody";

function nameOf({ table }: Adopted, service: number): string {
  return table.key(service) ?? anonymousKey(service);
}

/** "namespace/name" of a `portKey`; undefined: it is no Service's. */
export const serviceOfKey = (key: string): string | undefined =>
  isAnonymous(key) || !key.includes(":") ? undefined : key.slice(0, key.indexOf(":"));
