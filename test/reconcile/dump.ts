import type { ServiceMaps } from "../../agent/datapath/maps.ts";
import { unpackSlice } from "../../agent/datapath/slice.ts";
import { addressText } from "../../agent/model/ip.ts";
import { textOfKey } from "../../agent/reconcile/frontend_text.ts";
import { keyOfName } from "../../agent/reconcile/service_name.ts";
import { BackendFlag, ServiceFlag } from "../../bpf/build/layout.ts";

/** What the maps say, by names and addresses, so that equal states read the same at any index. */
export function dumpMaps(maps: ServiceMaps): string {
  const names = new Map(maps.names.entries());
  const frontends = [...maps.frontends.entries()];
  const blocks: string[] = [];
  for (let index = 0; index < maps.services.length; index++) {
    const name = names.get(index);
    const answers = frontends.filter(([, { service }]) => service === index);
    const inUse = maps.services.flags(index) !== 0;
    if (!inUse && name === undefined && answers.length === 0) continue;
    const title = name === undefined ? `unnamed ${index}` : `${keyOfName(name)} port ${name.port}`;
    const lines = [
      inUse ? title : `${title} (not in use)`,
      ...answers.map(([key]) => `  at ${textOfKey(key)}`).sort(),
      ...settings(maps, index),
      `  cluster: ${slice(maps, index, maps.services.cluster(index))}`,
      `  local: ${slice(maps, index, maps.services.local(index))}`,
    ];
    blocks.push(lines.map((line) => `${line}\n`).join(""));
  }
  return blocks.sort().join("");
}

function settings({ services }: ServiceMaps, index: number): readonly string[] {
  const flags = services.flags(index);
  const affinity = services.affinitySeconds(index);
  return [
    affinity > 0 ? `  affinity: ${affinity} s` : [],
    flags & ServiceFlag.INTERNAL_LOCAL ? "  internal traffic: local" : [],
    flags & ServiceFlag.EXTERNAL_LOCAL ? "  external traffic: local" : [],
  ].flat();
}

function slice(maps: ServiceMaps, service: number, word: bigint): string {
  const { offset, count } = unpackSlice(word);
  const indices = Array.from(maps.slots.subarray(offset, offset + count));
  const backends = indices.map((index) => backend(maps, service, index)).sort();
  return backends.length === 0 ? "none" : backends.join(", ");
}

function backend({ backends }: ServiceMaps, service: number, index: number): string {
  if (index >= backends.length) return `no backend ${index}`;
  const flags = backends.flags(index);
  const marks = [
    flags & BackendFlag.LOCAL ? "here" : [],
    flags & BackendFlag.READY ? [] : "unready",
    flags & BackendFlag.SERVING ? [] : "not serving",
    flags & BackendFlag.TERMINATING ? "terminating" : [],
    flags & (BackendFlag.IN_CLUSTER | BackendFlag.IN_LOCAL) ? [] : "dead",
    backends.service(index) === service ? [] : "foreign",
  ].flat();
  const port = backends.port(index);
  const text = addressText(backends.address(index), 0);
  const address = text.includes(":") ? `[${text}]:${port}` : `${text}:${port}`;
  return marks.length === 0 ? address : `${address} (${marks.join(", ")})`;
}
