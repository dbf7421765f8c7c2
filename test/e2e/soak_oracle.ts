import { BpfMap } from "libbpf-ts";
import { compileService } from "../../agent/compile/compile.ts";
import type { Backend, DesiredService, Frontend } from "../../agent/compile/records.ts";
import { kernelMaps } from "../../agent/datapath/kernel_maps.ts";
import { readPinned } from "../../agent/datapath/pinned.ts";
import { pinsAt } from "../../agent/datapath/pins.ts";
import type { BackendReport, ServiceReport } from "../../agent/datapath/report.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import { Store } from "../../agent/model/store.ts";
import { isGuard } from "../../agent/reconcile/guards.ts";
import { watchedResources } from "../../agent/sources/kubernetes/resource.ts";
import { Interner } from "../../agent/sources/parse/intern.ts";
import { tcpPeerCodec } from "../../bpf/build/layout.ts";
import type { RawObject, SoakWorld } from "./soak_world.ts";

const families = new Set(["IPv4", "IPv6"] as const);

/** What the maps should hold for a world, by a compilation of its own of every object. */
export function desiredOf(world: SoakWorld, nodeName: string): readonly DesiredService[] {
  const [services, slices, nodes] = watchedResources(nodeName, new Interner());
  const store = new Store(nodeName);
  store.apply([...world.services.values()].map((raw) => eventOf(services, raw)));
  store.apply([...world.slices.values()].map((raw) => eventOf(slices, raw)));
  store.apply([eventOf(nodes, world.node)]);
  const locality = { name: nodeName, zone: store.node?.zone };
  return [...store.services()].flatMap(
    ([key, service]) =>
      compileService(service, store.slicesOf(key), locality, { families }).services,
  );
}

function eventOf(
  watched: ReturnType<typeof watchedResources>[number] | undefined,
  raw: RawObject,
): SourceEvent {
  const parsed = watched?.parse(raw);
  if (parsed?.kind !== "object") throw new Error(`${raw.metadata.name} is ${parsed?.kind}`);
  return parsed.object;
}

/** One line for each Service port, and what the maps hold in all; in an order of its own. */
export function linesOfDesired(desired: readonly DesiredService[]): readonly string[] {
  const lines = desired.map((service) =>
    lineOf({
      ...service,
      ...service.id,
      cluster: service.backends.filter(({ inCluster }) => inCluster),
      local: service.backends.filter(({ inLocal }) => inLocal),
    }),
  );
  const frontends = desired.flatMap((service) => service.frontends).length;
  const backends = desired.flatMap((service) => service.backends).length;
  return [...lines.toSorted(), `${frontends} frontends, ${backends} live backends`];
}

/** The same of the maps pinned there. */
export function linesOfPinned(pinPath: string): readonly string[] {
  const lines = readPinned(pinPath).map(lineOf);
  return [...lines.toSorted(), totals(pinPath)];
}

/** Frontends lead somewhere or nowhere, and backends live, whether or not a Service names them. */
function totals(pinPath: string): string {
  const pins = pinsAt(pinPath);
  const open: BpfMap[] = [];
  const maps = kernelMaps((name) => {
    const map = BpfMap.openPinned(pins.map(name));
    open.push(map);
    return map;
  });
  const frontends = [...maps.frontends.entries()].filter(([key]) => !isGuard(key)).length;
  let backends = 0;
  for (let i = 0; i < maps.backends.length; i++) if (maps.backends.flags(i) !== 0) backends++;
  for (const map of open) map.close();
  return `${frontends} frontends, ${backends} live backends`;
}

type Line = Pick<
  ServiceReport,
  | "namespace"
  | "name"
  | "portName"
  | "protocol"
  | "family"
  | "port"
  | "affinityTimeoutSeconds"
  | "internalLocal"
  | "externalLocal"
> & {
  readonly frontends: readonly Frontend[];
  readonly sourceRanges: readonly string[] | undefined;
  readonly cluster: readonly (Backend | BackendReport)[];
  readonly local: readonly (Backend | BackendReport)[];
};

function lineOf(line: Line): string {
  const { namespace, name, portName, protocol, family, port, frontends } = line;
  return [
    `${namespace}/${name}:${portName}/${protocol}/${family} ${port}`,
    frontends.map(({ kind, address, port: at }) => `${kind} ${address}@${at}`).toSorted(),
    isBalanced(line) ? `open to ${line.sourceRanges?.toSorted() ?? []}` : "open to all",
    `affinity ${line.affinityTimeoutSeconds}`,
    `${line.internalLocal ? "internal" : ""} ${line.externalLocal ? "external" : ""} local`,
    `cluster ${backendsText(line.cluster)}`,
    `local ${backendsText(line.local)}`,
  ].join("; ");
}

/** Source ranges count for nothing else (KP-23, KP-24). */
const isBalanced = ({ frontends }: Line): boolean =>
  frontends.some(({ kind }) => kind === "LoadBalancer");

const backendsText = (backends: readonly (Backend | BackendReport)[]): string =>
  backends
    .map(({ address, port, ready, serving, terminating, local }) => {
      const flags = { ready, serving, terminating, local };
      const set = Object.entries(flags).flatMap(([flag, on]) => (on ? flag : []));
      return `${address}@${port}(${set.join()})`;
    })
    .toSorted()
    .join(" ");

/** At most ten lines that only one of the two has. */
export function difference(desired: readonly string[], held: readonly string[]): string {
  const [wanted, found] = [new Set(desired), new Set(held)];
  const missing = desired.filter((line) => !found.has(line)).map((line) => `- ${line}`);
  const extra = held.filter((line) => !wanted.has(line)).map((line) => `+ ${line}`);
  return [...missing, ...extra].slice(0, 10).join("\n");
}

/** TCP sockets of which something is remembered. */
export function rememberedSockets(pinPath: string): number {
  const map = BpfMap.openPinned(pinsAt(pinPath).map("tcp_peers"));
  try {
    const peers = Array.from(map.entries(), ([, value]) => tcpPeerCodec.decode(value));
    return peers.filter(({ cookie }) => cookie !== 0n).length;
  } finally {
    map.close();
  }
}
