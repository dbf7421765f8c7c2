import type { BpfMap } from "libbpf-ts";
import { type Flow, FlowFlag, flowCodec, flowKeyCodec } from "../../bpf/build/layout.ts";
import { addressText } from "../model/ip.ts";
import type { EndpointReport, FlowReport, PathReport } from "./flow_report.ts";
import { type FlowRequest, scanFlows } from "./flow_scan.ts";
import { indicesOf, type MapByName, serviceOf } from "./flow_service.ts";
import { secondsOf } from "./flow_settings.ts";
import { flowStateOf } from "./flow_state.ts";
import { protocolName } from "./protocol.ts";

/** Which flows are asked for; what is left out does not matter. Addresses are canonical text. */
export interface FlowQuery {
  readonly service?: { readonly namespace: string; readonly name: string };
  readonly client?: string;
  readonly backend?: string;
  readonly limit: number;
}

export interface FlowListing {
  /** The latest used first, `limit` of them at most. */
  readonly flows: readonly FlowReport[];
  readonly matched: number;
}

/** The name of a device by its interface index; undefined: there is none. */
export type DeviceName = (index: number) => string | undefined;

/** The flows that the maps hold; `map` gives each one by its name in maps.h. */
export function listFlows(map: MapByName, query: FlowQuery, deviceName: DeviceName): FlowListing {
  const now = Number(process.hrtime.bigint() >> 30n);
  const { requests, matched } = scanFlows(map("flows"), matcherOf(map, query), query.limit);
  return { flows: requests.map((it) => reportOf(map, it, deviceName, now)), matched };
}

function matcherOf(map: MapByName, { service, client, backend }: FlowQuery) {
  const indices = service && indicesOf(map, service);
  return ({ key, flow }: FlowRequest): boolean => {
    if (indices !== undefined && !indices.has(flow.service)) return false;
    if (client !== undefined && addressText(key.source, 0) !== client) return false;
    return backend === undefined || addressText(flow.destination, 0) === backend;
  };
}

function reportOf(
  map: MapByName,
  request: FlowRequest,
  deviceName: DeviceName,
  now: number,
): FlowReport {
  const { key, flow } = request;
  const reply = replyOf(map("flows"), request);
  const lastSeen = Math.max(flow.lastSeen, reply?.lastSeen ?? 0);
  const client = endpoint(key.source, key.sourcePort);
  const source = endpoint(flow.source, flow.sourcePort);
  const isSame = client.address === source.address && client.port === source.port;
  return {
    protocol: protocolName(key.protocol) ?? "SCTP",
    client,
    frontend: endpoint(key.destination, key.destinationPort),
    backend: endpoint(flow.destination, flow.destinationPort),
    masquerade: isSame ? null : source,
    service: serviceOf(map, request),
    state: flowStateOf(key.protocol, flow.tcp, reply?.tcp ?? 0),
    idleSeconds: Math.max(0, Math.round(secondsOf(now - lastSeen))),
    requestPath: pathOf(flow, deviceName),
    replyPath: reply === undefined ? null : pathOf(reply, deviceName),
  };
}

/** The other direction: its key is the translated packet turned round. */
function replyOf(flows: BpfMap, { key, flow }: FlowRequest): Flow | undefined {
  const bytes = new Uint8Array(flowKeyCodec.size);
  const reversed = {
    source: flow.destination,
    destination: flow.source,
    sourcePort: flow.destinationPort,
    destinationPort: flow.sourcePort,
    protocol: key.protocol,
  };
  flowKeyCodec.encode(reversed, bytes);
  const found = flows.lookup(bytes);
  return found && flowCodec.decode(found);
}

const endpoint = (address: Uint8Array, port: number): EndpointReport => ({
  address: addressText(address, 0),
  port,
});

function pathOf({ device, flags }: Flow, deviceName: DeviceName): PathReport {
  if (device === 0) return { kind: "stack", device: null };
  const kind = (flags & FlowFlag.PEER) !== 0 ? "peer" : "neighbour";
  return { kind, device: deviceName(device) ?? `${device}` };
}
