import { closest } from "../config/closest.ts";
import type { BackendReport, FrontendReport, ServiceReport } from "../datapath/report.ts";
import { type CommandInput, done } from "./command.ts";
import { CliError } from "./error.ts";
import { render } from "./output.ts";
import { endpointText, frontendText, portText, type Reading, readServices } from "./services.ts";
import { fields, table } from "./table.ts";

/** `sluice service get NAMESPACE/NAME`: each port and family, its endpoints and counters. */
export async function serviceGet(input: CommandInput, reference: string): Promise<number> {
  const [, namespace, name] = /^([^/]+)\/([^/]+)$/.exec(reference) ?? [];
  if (namespace === undefined || name === undefined) {
    throw new CliError("usage", `"${reference}" names no Service; use NAMESPACE/NAME`);
  }
  const { services, note } = await readServices(input, { namespace, name });
  if (note !== undefined) input.env.stderr.write(note);
  if (services.length === 0) throw unknownService(reference, await readServices(input));
  input.env.stdout.write(render(input.output, services, (it) => it.map(describe).join("\n")));
  return done;
}

function unknownService(reference: string, { services }: Reading): CliError {
  const names = services.map(({ namespace, name }) => `${namespace}/${name}`);
  const close = closest(reference, names, 5);
  const help = close.length > 0 ? `did you mean ${close.join(", ")}?` : 'see "sluice service list"';
  return new CliError("failed", `there is no Service ${reference}; ${help}`);
}

function describe(service: ServiceReport): string {
  const { namespace, name, family, index, stats } = service;
  const head = fields([
    ["Service", `${namespace}/${name}`],
    ["Port", `${portText(service)} ${family}, index ${index}`],
    ["Frontends", service.frontends.map(reachText).join(", ") || "<none>"],
    ...leftOf(service),
    ...rangesOf(service),
    [
      "Policy",
      `internal ${policy(service.internalLocal)}, external ${policy(service.externalLocal)}`,
    ],
    ["Algorithm", algorithmText(service)],
    ["Affinity", affinityText(service.affinityTimeoutSeconds)],
    [
      "Counters",
      `${stats.connections} connections, ${stats.datagrams} datagrams, ` +
        `${stats.refused} refused, ${stats.affinity} by affinity, ` +
        `${stats.unremembered} unremembered, ${stats.denied} denied`,
    ],
    [
      "Packets",
      `${stats.requestPackets} requests (${stats.requestBytes} bytes), ` +
        `${stats.replyPackets} replies (${stats.replyBytes} bytes)`,
    ],
  ]);
  return [head, ...endpoints(service)].join("\n");
}

function endpoints(service: ServiceReport): readonly string[] {
  const rows = backendsOf(service).map((backend) => row(service, backend));
  return [
    ...(rows.length > 0
      ? [table(["ENDPOINT", "SELECTED FOR", "STATE", "NODE", "INDEX"], rows)]
      : []),
    ...lacks(service),
  ];
}

/** Who finds no endpoint (KP-14). */
function lacks({ internalLocal, externalLocal, cluster, local, frontends }: ServiceReport) {
  const selected = internalLocal ? local : cluster;
  const where = internalLocal ? " on this node" : "";
  const isExternal = frontends.some(({ kind }) => kind !== "ClusterIP");
  const drops = isExternal && externalLocal && local.length === 0 && cluster.length > 0;
  return [
    selected.length > 0 ? [] : [`No endpoint${where} is eligible: connections are refused.\n`],
    drops ? ["No endpoint on this node is eligible: packets from outside are dropped.\n"] : [],
  ].flat();
}

function reachText(frontend: FrontendReport): string {
  return frontendText(frontend) + (frontend.limited ? " (source ranges)" : "");
}

function leftOf({ leftToNode = [] }: ServiceReport): [string, string][] {
  const texts = leftToNode.map(({ address, device }) => `${address}, which device ${device} has`);
  return texts.length === 0 ? [] : [["Left to the node", texts.join("; ")]];
}

function rangesOf({ sourceRanges, frontends }: ServiceReport): [string, string][] {
  if (sourceRanges.length === 0 && !frontends.some(({ limited }) => limited)) return [];
  return [["Source ranges", sourceRanges.join(", ") || "<none>"]];
}

/** The tables of the two slices are equally long, but for one of a single endpoint. */
function algorithmText({ algorithm, cluster, local }: ServiceReport): string {
  if (algorithm === "random") return "random";
  const slots = Math.max(slotsOf(cluster), slotsOf(local));
  return `maglev, ${slots} ${slots === 1 ? "slot" : "slots"}`;
}

function policy(local: boolean): string {
  return local ? "Local" : "Cluster";
}

function affinityText(timeoutSeconds: number): string {
  return timeoutSeconds === 0 ? "none" : `ClientIP for ${timeoutSeconds} s`;
}

/** Each backend once, in the order of its address. */
function backendsOf({ cluster, local }: ServiceReport): readonly BackendReport[] {
  const backends = new Map([...cluster, ...local].map((backend) => [backend.index, backend]));
  return [...backends.values()].sort((a, b) =>
    endpointText(a).localeCompare(endpointText(b), "en", { numeric: true }),
  );
}

function row({ cluster, local }: ServiceReport, backend: BackendReport): readonly string[] {
  const selected = [shareText("cluster", cluster, backend), shareText("local", local, backend)];
  return [
    endpointText(backend),
    selected.filter((text) => text !== "").join(", "),
    stateText(backend),
    backend.local ? "this" : "other",
    `${backend.index}`,
  ];
}

/** `cluster 33.3%`, by the slots of the slice; "": it is not in it. */
function shareText(name: string, slice: readonly BackendReport[], { index }: BackendReport) {
  const slots = slice.find((backend) => backend.index === index)?.slots ?? 0;
  return slots === 0 ? "" : `${name} ${Math.round((1000 * slots) / slotsOf(slice)) / 10}%`;
}

const slotsOf = (slice: readonly BackendReport[]): number =>
  slice.reduce((sum, { slots }) => sum + slots, 0);

function stateText({ ready, serving, terminating }: BackendReport): string {
  if (ready) return "ready";
  if (terminating) return serving ? "serving, terminating" : "terminating";
  return serving ? "serving" : "not ready";
}
