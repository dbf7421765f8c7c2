import { BackendFlag, ServiceFlag, type ServiceName } from "../../bpf/build/layout.ts";
import type { Protocol } from "../model/address.ts";
import { addressText } from "../model/ip.ts";
import type { ServiceMaps, StatsMap } from "./maps.ts";
import type { BackendReport, FrontendReport, ServiceReport, TrafficReport } from "./report.ts";
import { unpackSlice } from "./slice.ts";

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Every Service port that the maps hold, in the order of their indices. */
export function readServices(maps: ServiceMaps, stats: StatsMap): ServiceReport[] {
  const frontends = frontendsByService(maps);
  const reports: ServiceReport[] = [];
  for (const [index, name] of maps.names.entries()) {
    if ((maps.services.flags(index) & ServiceFlag.IN_USE) === 0) continue;
    reports.push(readService(maps, stats, index, name, frontends.get(index) ?? []));
  }
  return reports;
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
  frontends: readonly FrontendReport[],
): ServiceReport {
  const { services } = maps;
  const flags = services.flags(index);
  return {
    ...trafficOf(stats, index, name),
    port: name.port,
    index,
    frontends,
    affinityTimeoutSeconds: services.affinitySeconds(index),
    internalLocal: (flags & ServiceFlag.INTERNAL_LOCAL) !== 0,
    externalLocal: (flags & ServiceFlag.EXTERNAL_LOCAL) !== 0,
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

/** A backend stands once in the report however often a weighted slice repeats it. */
function readSlice(maps: ServiceMaps, word: bigint): BackendReport[] {
  const { offset, count } = unpackSlice(word);
  const indices = new Set(maps.slots.subarray(offset, offset + count));
  return [...indices]
    .filter((index) => index < maps.backends.length)
    .map((index) => readBackend(maps, index));
}

function readBackend({ backends }: ServiceMaps, index: number): BackendReport {
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
  };
}

function frontendsByService(maps: ServiceMaps): Map<number, FrontendReport[]> {
  const found = new Map<number, FrontendReport[]>();
  for (const [key, { service }] of maps.frontends.entries()) {
    const report = { address: addressText(key.address, 0), port: key.port };
    const siblings = found.get(service);
    if (siblings === undefined) found.set(service, [report]);
    else siblings.push(report);
  }
  return found;
}

function protocolName(protocol: number): Protocol {
  if (protocol === IPPROTO_TCP) return "TCP";
  return protocol === IPPROTO_UDP ? "UDP" : "SCTP";
}
