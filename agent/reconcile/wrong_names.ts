import type { ServiceMaps } from "../datapath/maps.ts";
import { keyOfName } from "./service_name.ts";
import type { ServiceTable } from "./service_table.ts";

/** What a record of `service_names` should say. */
export interface WrongName {
  readonly index: number;
  /** A `portKey`; "": nothing. */
  readonly key: string;
  readonly port: number;
}

/** The records that do not say what was written into them. */
export function wrongNames(
  { names, services }: Pick<ServiceMaps, "names" | "services">,
  table: ServiceTable,
): readonly WrongName[] {
  const should = (index: number): WrongName => {
    const port = table.namedPort(index);
    return { index, key: port === 0 ? "" : (table.key(index) ?? ""), port };
  };
  const seen = new Uint8Array(services.length);
  const wrong: WrongName[] = [];
  for (const [index, record] of names.entries()) {
    seen[index] = 1;
    const { key, port } = should(index);
    if (keyOfName(record) !== key || record.port !== port) wrong.push({ index, key, port });
  }
  for (const [index, wasSeen] of seen.entries()) {
    const missing = should(index);
    if (wasSeen === 0 && missing.key !== "") wrong.push(missing);
  }
  return wrong;
}
