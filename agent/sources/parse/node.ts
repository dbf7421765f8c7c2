import type { Node } from "../../model/node.ts";
import { parseAddress } from "./address.ts";
import type { Fault, Parsed } from "./fault.ts";
import { fieldsOf, itemsOf, textOf } from "./fields.ts";
import { metadataOf, nameless } from "./metadata.ts";

const zoneLabel = "topology.kubernetes.io/zone";
const leavingTaint = "ToBeDeletedByClusterAutoscaler";

/** core/v1 Node, trimmed (KP-05, KP-41). Every Node but `nodeName` is skipped (KP-01). */
export function parseNode(raw: unknown, nodeName: string): Parsed<Node> {
  const metadata = metadataOf(raw);
  if (metadata === undefined) return { kind: "invalid", faults: nameless };
  if (metadata.name !== nodeName) return { kind: "skipped", faults: [] };
  const { spec, status } = fieldsOf(raw);
  const faults: Fault[] = [];
  const object = {
    name: metadata.name,
    zone: textOf(metadata.labels[zoneLabel]),
    addresses: parseAddresses(fieldsOf(status).addresses, faults),
    leaving: metadata.deleting || isTainted(fieldsOf(spec).taints),
  };
  return { kind: "object", object, faults };
}

function parseAddresses(value: unknown, faults: Fault[]): string[] {
  const internal = new Set<string>();
  const external = new Set<string>();
  for (const [index, item] of itemsOf(value).entries()) {
    const { type, address: text } = fieldsOf(item);
    if (type !== "InternalIP" && type !== "ExternalIP") continue;
    const address = parseAddress(text, ["status", "addresses", index, "address"], faults);
    if (address !== undefined) (type === "InternalIP" ? internal : external).add(address);
  }
  return [...new Set([...internal, ...external])];
}

const isTainted = (taints: unknown): boolean =>
  itemsOf(taints).some((taint) => fieldsOf(taint).key === leavingTaint);
