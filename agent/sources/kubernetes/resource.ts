import type { Resource, SourceEvent } from "../../model/event.ts";
import { mapParsed, type Parsed } from "../parse/fault.ts";
import { parseForeignService } from "../parse/foreign_service.ts";
import type { Interner } from "../parse/intern.ts";
import { parseNode } from "../parse/node.ts";
import { selectorsOf } from "../parse/selectors.ts";
import { parseService } from "../parse/service.ts";
import { parseServiceCidr } from "../parse/service_cidr.ts";
import { parseSlice } from "../parse/slice.ts";

/** One resource of the API: where it is, and what its objects say. */
export interface WatchedResource {
  readonly resource: Resource;
  /** Path and selectors (KP-01), without the parameters of one request. */
  readonly path: string;
  parse(raw: unknown): Parsed<SourceEvent>;
  /** The event that says that the object under this key is gone. */
  deletion(key: string): SourceEvent;
  /** What it costs where the API server does not have it, or does not give it. */
  readonly without?: string;
}

const paths: Readonly<Record<Resource, string>> = {
  services: "/api/v1/services",
  endpointslices: "/apis/discovery.k8s.io/v1/endpointslices",
  nodes: "/api/v1/nodes",
  servicecidrs: "/apis/networking.k8s.io/v1/servicecidrs",
  foreignservices: "/api/v1/services",
};

/** What a service proxy follows; Services of other proxies only for the addresses to leave alone. */
export function watchedResources(nodeName: string, interner: Interner): WatchedResource[] {
  return [
    {
      resource: "services",
      path: pathOf("services", nodeName),
      parse: (raw) =>
        mapParsed(parseService(raw, interner), (service) => ({ kind: "service", service })),
      deletion: (key) => ({ kind: "service-deleted", ...namesOf(key) }),
    },
    {
      resource: "endpointslices",
      path: pathOf("endpointslices", nodeName),
      parse: (raw) => mapParsed(parseSlice(raw, interner), (slice) => ({ kind: "slice", slice })),
      deletion: (key) => ({ kind: "slice-deleted", ...namesOf(key) }),
    },
    {
      resource: "nodes",
      path: pathOf("nodes", nodeName),
      parse: (raw) => mapParsed(parseNode(raw, nodeName), (node) => ({ kind: "node", node })),
      deletion: (key) => ({ kind: "node-deleted", name: namesOf(key).name }),
    },
    {
      resource: "servicecidrs",
      path: pathOf("servicecidrs", nodeName),
      parse: (raw) =>
        mapParsed(parseServiceCidr(raw), (serviceCidr) => ({ kind: "service-cidr", serviceCidr })),
      deletion: (key) => ({ kind: "service-cidr-deleted", name: namesOf(key).name }),
      without:
        "until then ClusterIPs that no Service has are not refused (KP-31); Kubernetes has ServiceCIDRs in v1 from 1.33 on",
    },
    {
      resource: "foreignservices",
      path: pathOf("foreignservices", nodeName),
      parse: parseForeignService,
      deletion: (key) => ({ kind: "foreign-service-deleted", ...namesOf(key) }),
    },
  ];
}

function pathOf(resource: Resource, nodeName: string): string {
  const query = new URLSearchParams({ ...selectorsOf(resource, nodeName) });
  return `${paths[resource]}?${query}`;
}

/** Undoes `objectKey`: neither part holds a slash. */
function namesOf(key: string): { namespace: string; name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
