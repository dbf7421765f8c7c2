import type { SourceEvent } from "../../model/event.ts";
import { canonicalAddress } from "../../model/ip.ts";
import type { Parsed } from "./fault.ts";
import { fieldsOf, itemsOf } from "./fields.ts";
import { metadataOf, nameless } from "./metadata.ts";
import { isForeignService } from "./selectors.ts";

export type ForeignService = Extract<SourceEvent, { readonly kind: "foreign-service" }>;

/**
 * core/v1 Service that another proxy serves: of it only its ClusterIPs matter, which are not to be
 * refused (KP-01, KP-31). Any other Service is skipped.
 */
export function parseForeignService(raw: unknown): Parsed<ForeignService> {
  const metadata = metadataOf(raw);
  if (metadata === undefined) return { kind: "invalid", faults: nameless };
  const { clusterIP, clusterIPs } = fieldsOf(fieldsOf(raw).spec);
  if (!isForeignService(metadata.labels, clusterIP)) return { kind: "skipped", faults: [] };
  const addresses = [clusterIP, ...itemsOf(clusterIPs)].flatMap((text) =>
    typeof text === "string" ? (canonicalAddress(text) ?? []) : [],
  );
  const { namespace, name } = metadata;
  const object: ForeignService = {
    kind: "foreign-service",
    namespace,
    name,
    addresses: [...new Set(addresses)],
  };
  return { kind: "object", object, faults: [] };
}
