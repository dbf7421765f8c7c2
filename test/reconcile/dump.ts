import type { ServiceMaps } from "../../agent/datapath/maps.ts";
import { unpackSlice } from "../../agent/datapath/slice.ts";
import { textOfRange } from "../../agent/datapath/source_range.ts";
import { addressText } from "../../agent/model/ip.ts";
import { textOfKey } from "../../agent/reconcile/frontend_text.ts";
import { isGuard } from "../../agent/reconcile/guards.ts";
import { keyOfName } from "../../agent/reconcile/service_name.ts";
import {
  Algorithm,
  BackendFlag,
  type Frontend,
  FrontendFlag,
  type FrontendKey,
  FrontendKind,
  ServiceFlag,
} from "../../bpf/build/layout.ts";

/**
 * What the maps say, by names and addresses, so that equal states read the same at any index. That
 * every address refuses its unserved ports goes without saying: where one does not, it is said.
 */
export function dumpMaps(maps: ServiceMaps): string {
  const names = new Map(maps.names.entries());
  const entries = [...maps.frontends.entries()];
  const frontends = entries.filter(([key]) => !isGuard(key));
  const guarded = entries
    .filter(([key]) => isGuard(key))
    .map(([key]) => addressText(key.address, 0));
  const blocks: string[] = [];
  for (let index = 0; index < maps.services.length; index++) {
    const name = names.get(index);
    const answers = frontends.filter(([, { service }]) => service === index);
    const inUse = maps.services.flags(index) !== 0;
    if (!inUse && name === undefined && answers.length === 0) continue;
    const title = name === undefined ? `unnamed ${index}` : `${keyOfName(name)} port ${name.port}`;
    const lines = [
      inUse ? title : `${title} (not in use)`,
      ...answers.map((entry) => `  at ${frontend(maps, entry, guarded)}`).sort(),
      ...ranges(maps, index),
      ...settings(maps, index),
      `  cluster: ${slice(maps, index, maps.services.cluster(index))}`,
      `  local: ${slice(maps, index, maps.services.local(index))}`,
    ];
    blocks.push(lines.map((line) => `${line}\n`).join(""));
  }
  return [...blocks.sort(), ...strayGuards(frontends, guarded), ...strayRanges(maps)].join("");
}

const kinds: Readonly<Record<number, string>> = {
  [FrontendKind.EXTERNAL_IP]: "ExternalIP",
  [FrontendKind.LOAD_BALANCER]: "LoadBalancer",
};

function frontend(
  { nodePorts }: ServiceMaps,
  [key, { kind, flags }]: readonly [FrontendKey, Frontend],
  guarded: readonly string[],
): string {
  const { first, last } = nodePorts.bounds();
  const isNodePort = kind === FrontendKind.NODE_PORT;
  const marks = [
    kinds[kind] ?? [],
    flags & FrontendFlag.SOURCE_RANGES ? "limited" : [],
    isNodePort && (key.port < first || key.port > last) ? "out of bounds" : [],
    isNodePort || guarded.includes(addressText(key.address, 0)) ? [] : "unguarded",
  ].flat();
  return marks.length === 0 ? textOfKey(key) : `${textOfKey(key)} (${marks.join(", ")})`;
}

function ranges({ sourceRanges }: ServiceMaps, index: number): readonly string[] {
  const own = [...sourceRanges.entries()].filter(({ service }) => service === index);
  return own.length === 0 ? [] : [`  open to: ${own.map(textOfRange).sort().join(", ")}`];
}

function settings({ services }: ServiceMaps, index: number): readonly string[] {
  const flags = services.flags(index);
  const affinity = services.affinitySeconds(index);
  return [
    affinity > 0 ? `  affinity: ${affinity} s` : [],
    flags & ServiceFlag.INTERNAL_LOCAL ? "  internal traffic: local" : [],
    flags & ServiceFlag.EXTERNAL_LOCAL ? "  external traffic: local" : [],
    services.algorithm(index) === Algorithm.MAGLEV ? "  algorithm: maglev" : [],
  ].flat();
}

/** A backend of several slots stands there once, with their number. */
function slice(maps: ServiceMaps, service: number, word: bigint): string {
  const { offset, count } = unpackSlice(word);
  const slots = new Map<string, number>();
  for (const index of maps.slots.subarray(offset, offset + count)) {
    const text = backend(maps, service, index);
    slots.set(text, (slots.get(text) ?? 0) + 1);
  }
  const backends = Array.from(slots, ([text, times]) => (times > 1 ? `${text} x${times}` : text));
  return backends.length === 0 ? "none" : backends.sort().join(", ");
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

function strayGuards(
  frontends: readonly (readonly [FrontendKey, Frontend])[],
  guarded: readonly string[],
): readonly string[] {
  const own = new Set(frontends.map(([key]) => addressText(key.address, 0)));
  return guarded.filter((address) => !own.has(address)).map((address) => `refuses at ${address}\n`);
}

function strayRanges({ sourceRanges, services }: ServiceMaps): readonly string[] {
  return [...sourceRanges.entries()]
    .filter(({ service }) => service >= services.length || services.flags(service) === 0)
    .map((key) => `service ${key.service} is open to ${textOfRange(key)}\n`)
    .sort();
}
