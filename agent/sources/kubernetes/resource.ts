import type { Resource, SourceEvent } from "../../model/event.ts";
import { mapParsed, type Parsed } from "../parse/fault.ts";
import type { Interner } from "../parse/intern.ts";
import { parseNode } from "../parse/node.ts";
import { selectorsOf } from "../parse/selectors.ts";
import { parseService } from "../parse/service.ts";
import { parseSlice } from "../parse/slice.ts";

/** One resource of the API: where it is, and what its objects say. */
export interface WatchedResource {
  readonly resource: Resource;
  /** Path and selectors (KP-01), without the parameters of one request. */
  readonly path: string;
  parse(raw: unknown): Parsed<SourceEvent>;
  /** The event that says that the object under this key is gone. */
  deletion(key: string): SourceEvent;
}

const paths: Readonly<Record<Resource, string>> = {
  services: "/api/v1/services",
  endpointslices: "/apis/discovery.k8s.io/v1/endpointslices",
  nodes: "/api/v1/nodes",
};

/** The three resources that a service proxy follows. */
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
