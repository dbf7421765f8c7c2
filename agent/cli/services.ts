import type { FrontendReport, ServiceReport } from "../datapath/report.ts";
import type { CommandInput } from "./command.ts";
import type { CliEnv, DebugReply } from "./env.ts";
import { CliError, explain, isAgentMute } from "./error.ts";

/** Service ports in the order of their names, and where they are from if not from the agent. */
export interface Reading {
  readonly services: readonly ServiceReport[];
  readonly note: string | undefined;
}

export type ServiceName = Pick<ServiceReport, "namespace" | "name">;

/**
 * Every Service port, or those of one Service: as the agent tells, or else as the pinned maps hold
 * them. None where there is no such Service.
 */
export async function readServices(
  { env, paths }: Pick<CommandInput, "env" | "paths">,
  only?: ServiceName,
): Promise<Reading> {
  try {
    return { services: sorted(await askAgent(env, paths.socketPath, only)), note: undefined };
  } catch (error) {
    if (!isAgentMute(error)) throw error;
    const all = await readPinned(env, paths.pinPath, error.message);
    const note = `note: ${error.message}; this is what the maps in ${paths.pinPath} hold\n`;
    return { services: sorted(all.filter((it) => isOf(it, only))), note };
  }
}

async function askAgent(env: CliEnv, socketPath: string, only: ServiceName | undefined) {
  const path =
    only === undefined ? "" : `/${[only.namespace, only.name].map(encodeURIComponent).join("/")}`;
  const { status, body } = await env.fetchDebug(socketPath, `/v1/services${path}`);
  if (status === 404 && only !== undefined) return [];
  if (status !== 200) throw refusal({ status, body });
  return body as readonly ServiceReport[];
}

/** The agent answered, but not with what was asked for. */
export function refusal({ status, body }: DebugReply): CliError {
  return new CliError("failed", `the agent answered ${status}: ${JSON.stringify(body)}`);
}

function isOf(service: ServiceReport, only: ServiceName | undefined): boolean {
  if (only === undefined) return true;
  return service.namespace === only.namespace && service.name === only.name;
}

async function readPinned(env: CliEnv, pinPath: string, reason: string) {
  try {
    return await env.readPinned(pinPath);
  } catch (error) {
    const message = `${reason}, and ${pinPath} cannot be read: ${explain(error)}`;
    throw new CliError("failed", message);
  }
}

function sorted(services: readonly ServiceReport[]): readonly ServiceReport[] {
  const key = (it: ServiceReport) =>
    [it.namespace, it.name, it.portName, it.protocol, it.family].join("/");
  return services
    .map((service) => ({ service, key: key(service) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ service }) => service);
}

/** `http:80/TCP`, or `53/UDP` where the port has no name. */
export function portText({ portName, port, protocol }: ServiceReport): string {
  return `${portName === "" ? "" : `${portName}:`}${port}/${protocol}`;
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function endpointText({ address, port }: { address: string; port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `ClusterIP 10.96.0.1:80`, `NodePort *:30080` */
export function frontendText({ kind, address, port }: FrontendReport): string {
  return `${kind} ${kind === "NodePort" ? `*:${port}` : endpointText({ address, port })}`;
}
