import {
  Algorithm,
  BackendFlag,
  FrontendFlag,
  FrontendKind,
  FrontendScope,
  ServiceFlag,
  type ServiceName,
} from "../../bpf/build/layout.ts";
import type { Protocol } from "../model/address.ts";
import { addressText } from "../model/ip.ts";
import type { ServiceMaps, StatsMap } from "./maps.ts";
import type { BackendReport, FrontendReport, ServiceReport, TrafficReport } from "./report.ts";
import { unpackSlice } from "./slice.ts";
import { textOfRange } from "./source_range.ts";

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Every Service port that the maps hold, in the order of their indices. */
export function readServices(maps: ServiceMaps, stats: StatsMap): ServiceReport[] {
  const reach = { frontends: frontendsByService(maps), ranges: rangesByService(maps) };
  const reports: ServiceReport[] = [];
  for (const [index, name] of maps.names.entries()) {
    if ((maps.services.flags(index) & ServiceFlag.IN_USE) === 0) continue;
    reports.push(readService(maps, stats, index, name, reach));
  }
  return reports;
}

/** By service index. */
interface Reach {
  readonly frontends: ReadonlyMap<number, readonly FrontendReport[]>;
  readonly ranges: ReadonlyMap<number, readonly string[]>;
}

/** Names and counters alone, which cost one lookup per Service port. */
export function readTraffic(maps: ServiceMaps, stats: StatsMap): TrafficReport[] {
  const reports: TrafficReport[] = [];
  for (const [index, name] of maps.names.entries()) {
    if ((maps.services.flags(index) & ServiceFlag.IN_USE) === 0) continue;
    reports.push(trafficOf(stats, index, name));
  }
  return reports;
}

function readService(
  maps: ServiceMaps,
  stats: StatsMap,
  index: number,
  name: ServiceName,
  { frontends, ranges }: Reach,
): ServiceReport {
  const { services } = maps;
  const flags = services.flags(index);
  return {
    ...trafficOf(stats, index, name),
    port: name.port,
    index,
    frontends: (frontends.get(index) ?? []).toSorted(byKind),
    affinityTimeoutSeconds: services.affinitySeconds(index),
    internalLocal: (flags & ServiceFlag.INTERNAL_LOCAL) !== 0,
    externalLocal: (flags & ServiceFlag.EXTERNAL_LOCAL) !== 0,
    algorithm: services.algorithm(index) === Algorithm.MAGLEV ? "maglev" : "random",
    sourceRanges: (ranges.get(index) ?? []).toSorted(),
    cluster: readSlice(maps, services.cluster(index)),
    local: readSlice(maps, services.local(index)),
  };
}

function trafficOf(stats: StatsMap, index: number, name: ServiceName): TrafficReport {
  const counted = stats.read(index);
  return {
    namespace: name.nameSpace,
    name: name.name,
    portName: name.portName,
    protocol: protocolName(name.protocol),
    family: name.family === 4 ? "IPv4" : "IPv6",
    stats: {
      connections: Number(counted.connections),
      datagrams: Number(counted.datagrams),
      refused: Number(counted.refused),
      affinity: Number(counted.affinity),
      unremembered: Number(counted.unremembered),
      denied: Number(counted.denied),
      requestPackets: Number(counted.requestPackets),
      requestBytes: Number(counted.requestBytes),
      replyPackets: Number(counted.replyPackets),
      replyBytes: Number(counted.replyBytes),
    },
  };
}

/** A backend stands once in the report, with the number of its slots. */
function readSlice(maps: ServiceMaps, word: bigint): BackendReport[] {
  const { offset, count } = unpackSlice(word);
  const slots = new Map<number, number>();
  for (const index of maps.slots.subarray(offset, offset + count)) {
    slots.set(index, (slots.get(index) ?? 0) + 1);
  }
  return [...slots]
    .filter(([index]) => index < maps.backends.length)
    .map(([index, times]) => readBackend(maps, index, times));
}

function readBackend({ backends }: ServiceMaps, index: number, slots: number): BackendReport {
  const flags = backends.flags(index);
  return {
    address: addressText(backends.address(index), 0),
    port: backends.port(index),
    index,
    generation: backends.generation(index),
    ready: (flags & BackendFlag.READY) !== 0,
    serving: (flags & BackendFlag.SERVING) !== 0,
    terminating: (flags & BackendFlag.TERMINATING) !== 0,
    local: (flags & BackendFlag.LOCAL) !== 0,
    slots,
  };
}

/** What refuses unserved ports is no Service's. */
function frontendsByService(maps: ServiceMaps): Map<number, FrontendReport[]> {
  const found = new Map<number, FrontendReport[]>();
  for (const [key, { service, kind, flags }] of maps.frontends.entries()) {
    if (key.scope === FrontendScope.SCOPE_ANY_PORT) continue;
    const limited = (flags & FrontendFlag.SOURCE_RANGES) !== 0;
    const address = addressText(key.address, 0);
    add(found, service, { kind: kinds[kind] ?? "ClusterIP", address, port: key.port, limited });
  }
  return found;
}

const kinds: Readonly<Record<number, FrontendReport["kind"]>> = {
  [FrontendKind.CLUSTER_IP]: "ClusterIP",
  [FrontendKind.EXTERNAL_IP]: "ExternalIP",
  [FrontendKind.LOAD_BALANCER]: "LoadBalancer",
  [FrontendKind.NODE_PORT]: "NodePort",
};

/** In the order of maps.h, then by address and port. */
function byKind(a: FrontendReport, b: FrontendReport): number {
  const order = Object.values(kinds);
  if (a.kind !== b.kind) return order.indexOf(a.kind) - order.indexOf(b.kind);
  return a.address === b.address ? a.port - b.port : a.address < b.address ? -1 : 1;
}

function rangesByService({ sourceRanges }: ServiceMaps): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const range of sourceRanges.entries()) add(found, range.service, textOfRange(range));
  return found;
}

function add<T>(to: Map<number, T[]>, service: number, item: T): void {
  const siblings = to.get(service);
  if (siblings === undefined) to.set(service, [item]);
  else siblings.push(item);
}

function protocolName(protocol: number): Protocol {
  if (protocol === IPPROTO_TCP) return "TCP";
  return protocol === IPPROTO_UDP ? "UDP" : "SCTP";
}
