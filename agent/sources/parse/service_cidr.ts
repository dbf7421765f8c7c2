import { cidrText, parseCidr } from "../../model/cidr.ts";
import type { ServiceCidr } from "../../model/service_cidr.ts";
import { error, type Fault, type Parsed } from "./fault.ts";
import { fieldsOf, itemsOf, shown } from "./fields.ts";
import { metadataOf, nameless } from "./metadata.ts";

/**
 * networking.k8s.io/v1 ServiceCIDR, trimmed (KP-01, KP-31). One that is being deleted counts until
 * it is gone, as in kube-proxy 1.36 (pkg/proxy/config): Services may still have addresses of it.
 */
export function parseServiceCidr(raw: unknown): Parsed<ServiceCidr> {
  const metadata = metadataOf(raw);
  if (metadata === undefined) return { kind: "invalid", faults: nameless };
  const faults: Fault[] = [];
  const cidrs = parseCidrs(fieldsOf(fieldsOf(raw).spec).cidrs, faults);
  if (cidrs.length === 0) {
    if (faults.length === 0) faults.push(empty);
    return { kind: "invalid", faults };
  }
  return { kind: "object", object: { name: metadata.name, cidrs }, faults };
}

const empty = error(["spec", "cidrs"], "is empty: write a range such as 10.96.0.0/16");

/** A range of all addresses would have every connection refused. */
function parseCidrs(value: unknown, faults: Fault[]): readonly string[] {
  const cidrs = new Set<string>();
  for (const [index, item] of itemsOf(value).entries()) {
    const cidr = typeof item === "string" ? parseCidr(item) : undefined;
    if (cidr !== undefined && cidr.prefixLength > 0) cidrs.add(cidrText(cidr));
    else {
      const message = `${shown(item)} is no range of ClusterIPs; write it as 10.96.0.0/16 or fd00:10:96::/112`;
      faults.push(error(["spec", "cidrs", index], message));
    }
  }
  return [...cidrs];
}
