import type { FlowListing, FlowQuery } from "../datapath/flow_list.ts";
import type { FlowReport, FlowServiceReport, PathReport } from "../datapath/flow_report.ts";
import { canonicalAddress } from "../model/ip.ts";
import { type CommandInput, done } from "./command.ts";
import { duration } from "./duration.ts";
import { CliError, explain } from "./error.ts";
import { render } from "./output.ts";
import { endpointText } from "./services.ts";
import { table } from "./table.ts";

/** The options as they were typed. */
export interface FlowListOptions {
  readonly service?: string;
  readonly client?: string;
  readonly backend?: string;
  readonly limit: string;
}

/** `sluice flow list`: one row for each flow that is translated per packet, from the pinned maps. */
export async function flowList(
  { env, paths, output }: CommandInput,
  options: FlowListOptions,
): Promise<number> {
  const query = queryOf(options);
  const { flows, matched } = await listing(() => env.listFlows(paths.pinPath, query));
  if (matched === 0) env.stderr.write("no flows\n");
  if (flows.length < matched) {
    env.stderr.write(`note: the latest ${flows.length} of ${matched} flows; --limit shows more\n`);
  }
  if (flows.length > 0 || output !== "table") env.stdout.write(render(output, flows, flowTable));
  return done;
}

async function listing(read: () => Promise<FlowListing>): Promise<FlowListing> {
  try {
    return await read();
  } catch (error) {
    throw new CliError("failed", `the flows cannot be read: ${explain(error)}`, error);
  }
}

/** @throws CliError "usage" */
function queryOf({ service, client, backend, limit }: FlowListOptions): FlowQuery {
  return {
    ...(service === undefined ? {} : { service: serviceName(service) }),
    ...(client === undefined ? {} : { client: address("--client", client) }),
    ...(backend === undefined ? {} : { backend: address("--backend", backend) }),
    limit: wholeNumber("--limit", limit),
  };
}

function serviceName(text: string): NonNullable<FlowQuery["service"]> {
  const [, namespace, name] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (namespace !== undefined && name !== undefined) return { namespace, name };
  throw new CliError("usage", `"${text}" names no Service; use --service NAMESPACE/NAME`);
}

function address(flag: string, text: string): string {
  const canonical = canonicalAddress(text);
  if (canonical !== undefined) return canonical;
  throw new CliError("usage", `"${text}" is no IP address; use ${flag} IP`);
}

/** So many fit into the memory of any node. */
const MOST = 1_000_000;

function wholeNumber(flag: string, text: string): number {
  const number = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MOST) return number;
  throw new CliError("usage", `"${text}" is no number from 1 to ${MOST}; use ${flag} N`);
}

function flowTable(flows: readonly FlowReport[]): string {
  const titles = ["PROTOCOL", "CLIENT", "FRONTEND", "SERVICE", "CHOICE", "BACKEND", "SEEN AS"];
  return table([...titles, "STATE", "IDLE", "TO BACKEND", "TO CLIENT"], flows.map(row));
}

function row(flow: FlowReport): readonly string[] {
  return [
    flow.protocol,
    endpointText(flow.client),
    endpointText(flow.frontend),
    flow.service === null ? "<gone>" : serviceText(flow.service),
    flow.service === null ? "" : choiceText(flow.service),
    endpointText(flow.backend),
    flow.masquerade === null ? "" : endpointText(flow.masquerade),
    flow.state,
    duration(flow.idleSeconds),
    pathText(flow.requestPath),
    flow.replyPath === null ? "<evicted>" : pathText(flow.replyPath),
  ];
}

/** `shop/web:http` */
const serviceText = ({ namespace, name, portName }: FlowServiceReport): string =>
  `${namespace}/${name}${portName === "" ? "" : `:${portName}`}`;

/** `random`, `maglev, affinity 3h` */
function choiceText({ algorithm, affinityTimeoutSeconds }: FlowServiceReport): string {
  if (affinityTimeoutSeconds === 0) return algorithm;
  return `${algorithm}, affinity ${duration(affinityTimeoutSeconds)}`;
}

const pathText = ({ kind, device }: PathReport): string =>
  device === null ? kind : `${kind} ${device}`;
