import type { IpFamily } from "../../model/address.ts";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../model/endpoint.ts";
import { parseAddressOf, parsePort, parseProtocol } from "./address.ts";
import { parseSliceWeight } from "./annotations.ts";
import { error, type Fault, type Parsed, type Path, warning } from "./fault.ts";
import { compact, type Fields, fieldsOf, itemsOf, shown, textOf } from "./fields.ts";
import type { Interner } from "./intern.ts";
import { metadataOf, nameless } from "./metadata.ts";
import { servesSlice, serviceNameLabel } from "./selectors.ts";

/** discovery.k8s.io/v1 EndpointSlice, trimmed. Skipped by KP-01 and KP-03. */
export function parseSlice(raw: unknown, interner: Interner): Parsed<EndpointSlice> {
  const metadata = metadataOf(raw);
  if (metadata === undefined) return { kind: "invalid", faults: nameless };
  if (!servesSlice(metadata.labels)) return { kind: "skipped", faults: [] };
  const fields = fieldsOf(raw);
  const family = fields.addressType;
  if (family === "FQDN") return { kind: "skipped", faults: [] };
  if (family !== "IPv4" && family !== "IPv6") {
    const message = `${shown(family)} is not an address type; write IPv4 or IPv6`;
    return { kind: "invalid", faults: [error(["addressType"], message)] };
  }
  const serviceName = textOf(metadata.labels[serviceNameLabel]);
  if (serviceName === undefined) return { kind: "skipped", faults: [unowned] };
  const faults: Fault[] = [];
  const changedAt = timeOf(metadata.annotations[changeTimeAnnotation]);
  const weight = parseSliceWeight(metadata.annotations, faults);
  const object: EndpointSlice = {
    namespace: interner.text(metadata.namespace),
    name: metadata.name,
    serviceName: interner.text(serviceName),
    family,
    ports: parsePorts(fields.ports, interner, faults),
    endpoints: parseEndpoints(fields.endpoints, { family, weight, interner, faults }),
    ...(changedAt === undefined ? {} : { changedAt }),
  };
  return { kind: "object", object, faults };
}

const changeTimeAnnotation = "endpoints.kubernetes.io/last-change-trigger-time";

/** Undefined where it is no time: nothing but a metric depends on it. */
function timeOf(value: unknown): number | undefined {
  const time = Date.parse(textOf(value) ?? "");
  return Number.isNaN(time) ? undefined : time;
}

const unowned = warning(
  ["metadata", "labels"],
  `lacks ${serviceNameLabel}, so these endpoints belong to no Service: add it with the Service's name`,
);

/** A port without name or number is passed over (KP-03): absent, the number means every port. */
function parsePorts(value: unknown, interner: Interner, faults: Fault[]): readonly EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const [index, item] of itemsOf(value).entries()) {
    const { name, port: number, protocol: transport } = fieldsOf(item);
    if (typeof name !== "string" || number === undefined || number === null || number === 0) {
      continue;
    }
    const port = parsePort(number, 1, ["ports", index, "port"], faults);
    const protocol = parseProtocol(transport, ["ports", index, "protocol"], faults);
    if (port === undefined || protocol === undefined) continue;
    ports.push({ name: interner.text(name), protocol, port });
  }
  return interner.records(ports);
}

/** What the endpoints of a slice have in common while they are read. */
interface Reading {
  readonly family: IpFamily;
  readonly weight: number;
  readonly interner: Interner;
  readonly faults: Fault[];
}

function parseEndpoints(value: unknown, reading: Reading): readonly Endpoint[] {
  const endpoints: Endpoint[] = [];
  const positions = new Map<string, number>();
  for (const [index, item] of itemsOf(value).entries()) {
    const endpoint = parseEndpoint(fieldsOf(item), index, reading);
    if (endpoint === undefined) continue;
    const first = positions.get(endpoint.address);
    if (first === undefined) positions.set(endpoint.address, index);
    else reading.faults.push(twice(endpoint.address, first, index));
    endpoints.push(endpoint);
  }
  return compact(endpoints);
}

/** Not left out: which of the two counts is decided over all slices (KP-03). */
const twice = (address: string, first: number, index: number): Fault =>
  warning(
    ["endpoints", index, "addresses", 0],
    `${address} is an endpoint already (endpoints[${first}]) and counts once; remove one of the two`,
  );

function parseEndpoint(
  item: Fields,
  index: number,
  { family, weight, interner, faults }: Reading,
): Endpoint | undefined {
  const addresses = itemsOf(item.addresses);
  if (addresses.length === 0) {
    faults.push(error(["endpoints", index, "addresses"], "is empty: an endpoint needs an address"));
    return undefined;
  }
  const path: Path = ["endpoints", index, "addresses", 0];
  const address = parseAddressOf(family, addresses[0], path, faults);
  if (address === undefined) return undefined;
  const conditions = fieldsOf(item.conditions);
  const hints = fieldsOf(item.hints);
  const nodeName = textOf(item.nodeName);
  return {
    address,
    ready: conditions.ready !== false,
    serving: conditions.serving !== false,
    terminating: conditions.terminating === true,
    nodeName: nodeName === undefined ? undefined : interner.text(nodeName),
    weight,
    zoneHints: parseHints(hints.forZones, interner),
    nodeHints: parseHints(hints.forNodes, interner),
  };
}

function parseHints(value: unknown, interner: Interner): readonly string[] | undefined {
  const names = itemsOf(value).flatMap((item) => textOf(fieldsOf(item).name) ?? []);
  return names.length === 0 ? undefined : interner.list(names);
}
