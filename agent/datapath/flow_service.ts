import type { BpfMap } from "libbpf-ts";
import {
  Algorithm,
  backendCodec,
  type Codec,
  type Flow,
  FrontendScope,
  frontendCodec,
  frontendKeyCodec,
  ServiceFlag,
  type ServiceName,
  serviceCodec,
  serviceNameCodec,
} from "../../bpf/build/layout.ts";
import { addressText } from "../model/ip.ts";
import type { FlowServiceReport } from "./flow_report.ts";
import type { FlowRequest } from "./flow_scan.ts";

export type MapByName = (name: string) => BpfMap;

/** IPv4 is held v4-mapped. */
const ANY_V4 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0);
const ANY_V6 = new Uint8Array(16);

/**
 * The Service port of a flow. Its index may have been given to another since: it is believed where
 * the flow's frontend still leads to it, or its backend still belongs to it (PF-27).
 */
export function serviceOf(map: MapByName, request: FlowRequest): FlowServiceReport | null {
  const { service: index } = request.flow;
  if (!leadsTo(map, request) && !isBackendOf(map, request.flow)) return null;
  const service = lookup(map("services"), index, serviceCodec);
  const name = lookup(map("service_names"), index, serviceNameCodec);
  if (name === undefined || service === undefined) return null;
  if ((service.flags & ServiceFlag.IN_USE) === 0) return null;
  return {
    namespace: name.nameSpace,
    name: name.name,
    portName: name.portName,
    algorithm: service.algorithm === Algorithm.MAGLEV ? "maglev" : "random",
    affinityTimeoutSeconds: service.affinitySeconds,
  };
}

/** The indices of the ports of one Service. */
export function indicesOf(
  map: MapByName,
  wanted: { namespace: string; name: string },
): Set<number> {
  const indices = new Set<number>();
  for (const { keys, values, count } of map("service_names").lookupBatch()) {
    for (let i = 0; i < count; i++) {
      const name: ServiceName = serviceNameCodec.decode(values, i * serviceNameCodec.size);
      if (name.family === 0 || name.nameSpace !== wanted.namespace || name.name !== wanted.name)
        continue;
      indices.add(new DataView(keys.buffer, keys.byteOffset + 4 * i, 4).getUint32(0, true));
    }
  }
  return indices;
}

function leadsTo(map: MapByName, { key, flow }: FlowRequest): boolean {
  const { destination: address, destinationPort: port, protocol } = key;
  const any = addressText(address, 0).includes(":") ? ANY_V6 : ANY_V4;
  const keys = [
    { address, port, protocol, scope: FrontendScope.SCOPE_ADDRESS },
    { address: any, port, protocol, scope: FrontendScope.SCOPE_NODE_PORT },
  ];
  return keys.some((each) => {
    const bytes = new Uint8Array(frontendKeyCodec.size);
    frontendKeyCodec.encode(each, bytes);
    const found = map("frontends").lookup(bytes);
    return found !== undefined && frontendCodec.decode(found).service === flow.service;
  });
}

function isBackendOf(map: MapByName, { backend: index, generation, service }: Flow): boolean {
  const backend = lookup(map("backends"), index, backendCodec);
  return backend?.generation === generation && backend.service === service;
}

function lookup<T>(map: BpfMap, index: number, codec: Codec<T>): T | undefined {
  const key = new Uint8Array(Uint32Array.of(index).buffer);
  const bytes = map.lookup(key);
  return bytes && codec.decode(bytes);
}
