import { closest } from "../config/closest.ts";
import type { BackendReport, ServiceReport } from "../datapath/report.ts";
import { type CommandInput, done } from "./command.ts";
import { CliError } from "./error.ts";
import { render } from "./output.ts";
import { endpointText, portText, type Reading, readServices } from "./services.ts";
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
    ["Frontends", service.frontends.map(endpointText).join(", ") || "<none>"],
    [
      "Policy",
      `internal ${policy(service.internalLocal)}, external ${policy(service.externalLocal)}`,
    ],
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
  const selected = service.internalLocal ? service.local : service.cluster;
  const where = service.internalLocal ? " on this node" : "";
  return [
    ...(rows.length > 0
      ? [table(["ENDPOINT", "SELECTED FOR", "STATE", "NODE", "INDEX"], rows)]
      : []),
    ...(selected.length > 0 ? [] : [`No endpoint${where} is eligible: connections are refused.\n`]),
  ];
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
  const within = (slice: readonly BackendReport[]) =>
    slice.some(({ index }) => index === backend.index);
  const slices = [within(cluster) ? "cluster" : "", within(local) ? "local" : ""];
  return [
    endpointText(backend),
    slices.filter((slice) => slice !== "").join(", "),
    stateText(backend),
    backend.local ? "this" : "other",
    `${backend.index}`,
  ];
}

function stateText({ ready, serving, terminating }: BackendReport): string {
  if (ready) return "ready";
  if (terminating) return serving ? "serving, terminating" : "terminating";
  return serving ? "serving" : "not ready";
}
