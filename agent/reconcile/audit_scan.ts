import type { ServiceMaps } from "../datapath/maps.ts";
import { textOfServiceCidr } from "../datapath/service_cidr.ts";
import { textOfRange } from "../datapath/source_range.ts";
import type { Adopted } from "./adopt.ts";
import { keyOfText, textOfKey } from "./frontend_text.ts";
import { isNodePort, sameValue } from "./frontend_value.ts";
import { isGuard } from "./guards.ts";
import type { ServiceCidrTable } from "./service_cidr_table.ts";
import { keyOfName } from "./service_name.ts";
import type { Writes } from "./writes.ts";

/** What a scan compares. */
export interface Scanned {
  readonly maps: ServiceMaps;
  readonly adopted: Adopted;
  readonly serviceCidrs: ServiceCidrTable;
  /** What has been written by now: a map that changes while it is read cannot be judged. */
  readonly writes: () => Writes;
}

/** Entries looked at between two yields. */
const CHUNK = 64;
const ARRAY_CHUNK = 8_192;

/**
 * Whether some map holds other entries than those that were written. Yields again and again, so
 * that whoever has work to do need not wait; says nothing of maps that are written to meanwhile. What
 * Services choose from is looked at one by one (`ServiceWriter.stands`).
 */
export function* scanMaps(scanned: Scanned): Generator<void, boolean> {
  const { maps, adopted, serviceCidrs } = scanned;
  const { table, sourceRanges } = adopted;
  const frontends = yield* differs(scanned, "frontends", maps.frontends.entries(), {
    holds: ([key, value]) => holdsFrontend(scanned, key, value),
    size: () => adopted.held.size + adopted.guards.size,
  });
  const names = yield* differs(scanned, "names", maps.names.entries(), {
    holds: ([index, name]) =>
      keyOfName(name) === table.key(index) && name.port === table.namedPort(index),
    size: () => table.named,
  });
  const ranges = yield* differs(scanned, "sourceRanges", maps.sourceRanges.entries(), {
    holds: (key) => sourceRanges.holds(key.service, textOfRange(key)),
    size: () => sourceRanges.size,
  });
  const cidrs = yield* differs(scanned, "serviceCidrs", maps.serviceCidrs.entries(), {
    holds: (key) => serviceCidrs.holds(textOfServiceCidr(key)),
    size: () => serviceCidrs.size,
  });
  const unowned = yield* livesUnowned(scanned);
  return frontends || names || ranges || cidrs || unowned;
}

interface Belief<Entry> {
  readonly holds: (entry: Entry) => boolean;
  readonly size: () => number;
}

function* differs<Entry>(
  { writes }: Scanned,
  map: keyof Writes,
  entries: Iterable<Entry>,
  belief: Belief<Entry>,
): Generator<void, boolean> {
  const before = writes()[map];
  let seen = 0;
  let known = 0;
  for (const entry of entries) {
    if (belief.holds(entry)) known++;
    if (++seen % CHUNK === 0) yield;
  }
  return writes()[map] === before && (known !== seen || known !== belief.size());
}

function holdsFrontend(
  { maps, adopted }: Scanned,
  ...[key, value]: Parameters<Adopted["guards"]["holds"]>
): boolean {
  if (isGuard(key)) return adopted.guards.holds(key, value);
  const held = adopted.held.value(textOfKey(key));
  if (held === undefined || !sameValue(held, value)) return false;
  if (!isNodePort(value)) return true;
  const { first, last } = maps.nodePorts.bounds();
  return key.port >= first && key.port <= last;
}

/** Services and backends that nobody has, and that are alive all the same. */
function* livesUnowned({ maps, adopted }: Scanned): Generator<void, boolean> {
  const { services, backends } = maps;
  const { table, space } = adopted;
  let found = false;
  for (let index = 0; index < services.length; index++) {
    if (index % ARRAY_CHUNK === 0) yield;
    if (table.key(index) !== undefined) continue;
    const isEmpty = services.cluster(index) === 0n && services.local(index) === 0n;
    found ||= !isEmpty || services.flags(index) !== 0;
  }
  for (let index = 0; index < backends.length; index++) {
    if (index % ARRAY_CHUNK === 0) yield;
    found ||= backends.flags(index) !== 0 && space.backends.isFree(index);
  }
  return found;
}

/** The NodePorts that lookups do not find, since they lie beyond the bounds. */
export function nodePortsBeyond({ maps, adopted }: Pick<Scanned, "maps" | "adopted">): string[] {
  const { first, last } = maps.nodePorts.bounds();
  const isBeyond = (port: number) => port < first || port > last;
  return [...adopted.held.texts()].filter((text) => {
    const value = adopted.held.value(text);
    return value !== undefined && isNodePort(value) && isBeyond(keyOfText(text).port);
  });
}
