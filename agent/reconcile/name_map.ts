import type { MapError } from "../datapath/map_error.ts";
import type { ServiceMaps } from "../datapath/maps.ts";
import { writeBatches } from "./batch.ts";
import type { Discrepancy } from "./discrepancy.ts";
import type { Placed } from "./round.ts";
import { nameOf, nameOfKey, noName } from "./service_name.ts";
import type { ServiceTable } from "./service_table.ts";
import { wrongNames } from "./wrong_names.ts";

/** Told of each entry once it is written, or why it is not. */
export interface NameReport<T> {
  written(entry: T): void;
  failed(entry: T, error: MapError): void;
}

/** A Service port that goes, by its `portKey`, and its index. */
export type Gone = readonly [key: string, service: number];

/** Writes the names of those that do not stand with theirs, and keeps account of it. */
export function writeNames(
  { names }: Pick<ServiceMaps, "names">,
  table: ServiceTable,
  placed: readonly Placed[],
  { written, failed }: NameReport<Placed>,
): void {
  writeBatches(
    placed.filter(({ service, desired }) => table.namedPort(service) !== desired.port),
    (batch) => names.update(batch.map(({ service, desired }) => [service, nameOf(desired)])),
    (entry) => {
      table.setNamedPort(entry.service, entry.desired.port);
      written(entry);
    },
    failed,
  );
}

/** Takes the names away, and keeps account of it. */
export function clearNames(
  { names }: Pick<ServiceMaps, "names">,
  table: ServiceTable,
  gone: readonly Gone[],
  { written, failed }: NameReport<Gone>,
): void {
  writeBatches(
    gone,
    (batch) => names.update(batch.map(([, service]) => [service, noName])),
    (entry) => {
      table.setNamedPort(entry[1], 0);
      written(entry);
    },
    failed,
  );
}

/** Writes those anew that are not what was written, and tells of each; one that cannot be is left. */
export function restoreNames(
  maps: Pick<ServiceMaps, "names" | "services">,
  table: ServiceTable,
): readonly Discrepancy[] {
  const wrong = wrongNames(maps, table);
  writeBatches(
    wrong,
    (batch) =>
      maps.names.update(
        batch.map(({ index, key, port }) => [index, nameOfKey(key, port) ?? noName]),
      ),
    () => undefined,
    () => undefined,
  );
  return wrong.map(({ index, key }) => ({
    map: "service_names",
    target: key === "" ? `service_names[${index}]` : key,
    message: "its name was not the one that was written",
  }));
}
