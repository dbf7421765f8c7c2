import type { IpFamily } from "../model/address.ts";
import type { Endpoint, EndpointSlice } from "../model/endpoint.ts";
import { canonicalAddress } from "../model/ip.ts";
import type { Service, ServicePort } from "../model/service.ts";
import { isUnspecified } from "./address.ts";
import { isUsablePort } from "./port.ts";
import type { Report } from "./problem.ts";

/** An endpoint at the port that a Service port leads to. */
export interface JoinedEndpoint {
  readonly address: string;
  readonly port: number;
  readonly endpoint: Endpoint;
  /** The Service's own word on it, else that of its slice. */
  readonly weight: number;
  readonly sliceName: string;
}

/**
 * Endpoints of one family for one Service port: slice ports join on name and protocol, and no two
 * of the result share address and port (KP-03). One of weight 0 drains: it is left out, so that
 * nothing new comes to it, no rule counts it and no hint of its is heard (KP-11 to KP-13, KP-40).
 * The result does not depend on the order of slices.
 */
export function joinEndpoints(
  slices: readonly EndpointSlice[],
  { weights }: Pick<Service, "weights">,
  port: ServicePort,
  family: IpFamily,
  report: Report,
): readonly JoinedEndpoint[] {
  const join: Join = { weights, report, joined: [], positions: new Map() };
  for (const slice of slices) {
    if (slice.family !== family) continue;
    for (const slicePort of slice.ports) {
      if (slicePort.name !== port.name || slicePort.protocol !== port.protocol) continue;
      if (isUsablePort(slicePort.port)) addSlice(slice, slicePort.port, join);
      else reportPort(slice, slicePort.port, report);
    }
  }
  return join.joined.filter(({ weight }) => weight > 0);
}

/** A join that is being made. */
interface Join {
  readonly weights: ReadonlyMap<string, number>;
  readonly report: Report;
  readonly joined: JoinedEndpoint[];
  /** In `joined`, by port and address. */
  readonly positions: Map<number, Map<string, number>>;
}

function addSlice(slice: EndpointSlice, port: number, join: Join): void {
  const { weights, report, joined } = join;
  const positions = positionsAt(join.positions, port);
  for (const endpoint of slice.endpoints) {
    const address = usableAddress(endpoint, slice, report);
    if (address === undefined) continue;
    const weight = weights.get(address) ?? endpoint.weight;
    const entry = { address, port, endpoint, weight, sliceName: slice.name };
    const position = positions.get(address);
    const held = position === undefined ? undefined : joined[position];
    if (position === undefined || held === undefined) {
      positions.set(address, joined.length);
      joined.push(entry);
    } else if (supersedes(entry, held)) {
      joined[position] = entry;
    }
  }
}

/** Not terminating wins (KP-03); whatever follows only makes the outcome independent of order. */
function supersedes(entry: JoinedEndpoint, held: JoinedEndpoint): boolean {
  const difference = rank(entry.endpoint) - rank(held.endpoint);
  return difference === 0 ? entry.sliceName < held.sliceName : difference > 0;
}

function rank(endpoint: Endpoint): number {
  return (endpoint.terminating ? 0 : 4) + (endpoint.ready ? 2 : 0) + (endpoint.serving ? 1 : 0);
}

function positionsAt(positions: Map<number, Map<string, number>>, port: number) {
  let atPort = positions.get(port);
  if (atPort === undefined) {
    atPort = new Map();
    positions.set(port, atPort);
  }
  return atPort;
}

function usableAddress(
  endpoint: Endpoint,
  slice: EndpointSlice,
  report: Report,
): string | undefined {
  const address = canonicalAddress(endpoint.address);
  if (address !== undefined && !isUnspecified(address)) {
    if (address.includes(":") === (slice.family === "IPv6")) return address;
  }
  report(
    "invalid-endpoint",
    `EndpointSlice ${slice.namespace}/${slice.name}`,
    `endpoint address "${endpoint.address}" is not an ${slice.family} address of a host and gets ` +
      "no traffic; correct the address or the slice's addressType",
  );
  return undefined;
}

function reportPort(slice: EndpointSlice, port: number, report: Report): void {
  report(
    "invalid-port",
    `EndpointSlice ${slice.namespace}/${slice.name}`,
    `port ${port} is not between 1 and 65535 and its endpoints get no traffic; correct the port`,
  );
}
