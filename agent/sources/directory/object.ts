import type { Resource, SourceEvent } from "../../model/event.ts";
import { objectKey } from "../../model/key.ts";
import {
  error,
  type Fault,
  hasError,
  mapParsed,
  type Parsed,
  type Path,
  warning,
} from "../parse/fault.ts";
import { type Fields, fieldsOf, isFields, itemsOf, shown, textOf } from "../parse/fields.ts";
import { parseForeignService } from "../parse/foreign_service.ts";
import type { Interner } from "../parse/intern.ts";
import { parseNode } from "../parse/node.ts";
import { parseService } from "../parse/service.ts";
import { parseServiceCidr } from "../parse/service_cidr.ts";
import { parseSlice } from "../parse/slice.ts";
import { check } from "./check.ts";
import {
  nodeSchema,
  type Schema,
  serviceCidrSchema,
  serviceSchema,
  sliceSchema,
} from "./schema.ts";
import { closest } from "./spelling.ts";

/** An object of a file is held as the event that says it. */
export type Upsert = Extract<
  SourceEvent,
  { readonly kind: "service" | "slice" | "node" | "service-cidr" | "foreign-service" }
>;

/**
 * "object": named, with what its valid part says; `upsert` is undefined where nothing is valid.
 * "ignored": none of this proxy's. "broken": it cannot even be told which object it is.
 */
export type ReadObject =
  | {
      readonly kind: "object";
      readonly key: string;
      readonly upsert: Upsert | undefined;
      readonly faults: readonly Fault[];
    }
  | { readonly kind: "ignored"; readonly faults: readonly Fault[] }
  | { readonly kind: "broken"; readonly faults: readonly Fault[] };

interface Kind {
  readonly resource: Resource;
  readonly apiVersion: string;
  readonly schema: Schema;
  readonly namespaced: boolean;
  parse(raw: Fields, nodeName: string, interner: Interner): Parsed<Upsert>;
}

const kinds: Readonly<Record<string, Kind>> = {
  Service: {
    resource: "services",
    apiVersion: "v1",
    schema: serviceSchema,
    namespaced: true,
    parse: (raw, _, interner) => {
      const foreign = parseForeignService(raw);
      if (foreign.kind === "object") return foreign;
      return mapParsed(parseService(raw, interner), (service) => ({ kind: "service", service }));
    },
  },
  EndpointSlice: {
    resource: "endpointslices",
    apiVersion: "discovery.k8s.io/v1",
    schema: sliceSchema,
    namespaced: true,
    parse: (raw, _, interner) =>
      mapParsed(parseSlice(withPortNames(raw), interner), (slice) => ({ kind: "slice", slice })),
  },
  Node: {
    resource: "nodes",
    apiVersion: "v1",
    schema: nodeSchema,
    namespaced: false,
    parse: (raw, nodeName) =>
      mapParsed(parseNode(raw, nodeName), (node) => ({ kind: "node", node })),
  },
  ServiceCIDR: {
    resource: "servicecidrs",
    apiVersion: "networking.k8s.io/v1",
    schema: serviceCidrSchema,
    namespaced: false,
    parse: (raw) =>
      mapParsed(parseServiceCidr(raw), (serviceCidr) => ({ kind: "service-cidr", serviceCidr })),
  },
};

const resources: Readonly<Record<Exclude<SourceEvent["kind"], "synced">, Resource>> = {
  service: "services",
  "service-deleted": "services",
  slice: "endpointslices",
  "slice-deleted": "endpointslices",
  node: "nodes",
  "node-deleted": "nodes",
  "service-cidr": "servicecidrs",
  "service-cidr-deleted": "servicecidrs",
  "foreign-service": "foreignservices",
  "foreign-service-deleted": "foreignservices",
};

export const resourceOf = (event: SourceEvent): Resource =>
  event.kind === "synced" ? event.resource : resources[event.kind];

/** The inverse of an upsert. */
export function deletionOf(upsert: Upsert): SourceEvent {
  switch (upsert.kind) {
    case "service":
      return {
        kind: "service-deleted",
        namespace: upsert.service.namespace,
        name: upsert.service.name,
      };
    case "slice":
      return { kind: "slice-deleted", namespace: upsert.slice.namespace, name: upsert.slice.name };
    case "node":
      return { kind: "node-deleted", name: upsert.node.name };
    case "service-cidr":
      return { kind: "service-cidr-deleted", name: upsert.serviceCidr.name };
    case "foreign-service":
      return { kind: "foreign-service-deleted", namespace: upsert.namespace, name: upsert.name };
  }
}

/** Reads one object that a person wrote or kubectl printed. Absent fields get the API server's defaults. */
export function readObject(raw: unknown, nodeName: string, interner: Interner): ReadObject {
  if (!isFields(raw))
    return broken([], `is ${shown(raw)}; write an object with apiVersion and kind`);
  const kindName = textOf(raw.kind);
  if (kindName === undefined)
    return broken([], "lacks kind; write Service, EndpointSlice, Node or ServiceCIDR");
  const kind = Object.hasOwn(kinds, kindName) ? kinds[kindName] : undefined;
  if (kind === undefined) return foreign(kindName);
  const { namespace, name } = fieldsOf(raw.metadata);
  if (textOf(name) === undefined)
    return broken(["metadata", "name"], "is missing; name the object");
  const placed = kind.namespaced ? inNamespace(raw, textOf(namespace) ?? "default") : raw;
  const named = objectKey(kind.namespaced ? (textOf(namespace) ?? "default") : "", String(name));
  const key = `${kindName} ${named}`;
  if (raw.apiVersion !== kind.apiVersion) {
    const message = `is ${shown(raw.apiVersion)}; write ${kind.apiVersion}`;
    return { kind: "object", key, upsert: undefined, faults: [error(["apiVersion"], message)] };
  }
  return judge(key, check(kind.schema, raw), kind.parse(placed, nodeName, interner));
}

const broken = (path: Path, message: string): ReadObject => ({
  kind: "broken",
  faults: [error(path, message)],
});

/** A misspelt kind may hide an object that is held; any other kind is simply not ours. */
function foreign(kindName: string): ReadObject {
  const meant = closest(kindName, Object.keys(kinds));
  if (meant !== undefined && kindName !== "Endpoints") {
    return broken(["kind"], `${shown(kindName)} is unknown; did you mean ${meant}?`);
  }
  const instead = kindName === "Endpoints" ? "; write an EndpointSlice" : "";
  const message = `${shown(kindName)} is ignored: only Service, EndpointSlice, Node and ServiceCIDR count here`;
  return { kind: "ignored", faults: [warning(["kind"], `${message}${instead}`)] };
}

function judge(key: string, checked: readonly Fault[], parsed: Parsed<Upsert>): ReadObject {
  const faults = [...checked, ...parsed.faults.filter((fault) => !isAmong(fault, checked))];
  if (parsed.kind === "skipped" && !hasError(checked)) return { kind: "ignored", faults };
  if (parsed.kind !== "object") return { kind: "object", key, upsert: undefined, faults };
  const address = addressless(parsed.object);
  if (address === undefined) return { kind: "object", key, upsert: parsed.object, faults };
  const known = faults.some(({ path }) => path[1] === "clusterIP" || path[1] === "clusterIPs");
  return { kind: "object", key, upsert: undefined, faults: known ? faults : [...faults, address] };
}

/** One complaint about a place is enough: the field's own type comes before what follows from it. */
const isAmong = (fault: Fault, others: readonly Fault[]): boolean =>
  others.some(
    (other) =>
      other.severity === "error" && other.path.every((step, index) => step === fault.path[index]),
  );

/** The API server would allocate a ClusterIP; here nobody does. */
function addressless(upsert: Upsert): Fault | undefined {
  if (upsert.kind !== "service" || upsert.service.type === "ExternalName") return undefined;
  if (upsert.service.clusterIPs.length > 0) return undefined;
  return error(
    ["spec", "clusterIP"],
    "is missing; write an address, for nothing allocates one here",
  );
}

const inNamespace = (raw: Fields, namespace: string): Fields => ({
  ...raw,
  metadata: { ...fieldsOf(raw.metadata), namespace },
});

/** The API server makes an absent port name ""; without, the port would be passed over (KP-03). */
const withPortNames = (raw: Fields): Fields => ({
  ...raw,
  ports: itemsOf(raw.ports).map((port) => ({
    ...fieldsOf(port),
    name: fieldsOf(port).name ?? "",
  })),
});
