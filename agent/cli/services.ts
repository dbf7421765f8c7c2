import type { ServiceDump } from "../serve/dump.ts";
import type { CommandInput } from "./command.ts";
import type { CliEnv } from "./env.ts";
import { CliError, explain, isAgentMute } from "./error.ts";

/**
 * Every Service port, by name: as the agent tells, or else as the pinned maps hold them, with a
 * note that says so.
 */
export async function readServices({
  env,
  paths,
}: Pick<CommandInput, "env" | "paths">): Promise<readonly ServiceDump[]> {
  try {
    const { status, body } = await env.fetchDebug(paths.socketPath, "/v1/services");
    if (status !== 200) throw new CliError("failed", `the agent answered ${status}: ${body}`);
    return sorted(body as readonly ServiceDump[]);
  } catch (error) {
    if (!isAgentMute(error)) throw error;
    const services = await readPinned(env, paths.pinPath, error.message);
    env.stderr.write(`note: ${error.message}; this is what the maps in ${paths.pinPath} hold\n`);
    return services;
  }
}

async function readPinned(env: CliEnv, pinPath: string, reason: string) {
  try {
    return sorted(await env.readPinned(pinPath));
  } catch (error) {
    const message = `${reason}, and ${pinPath} cannot be read: ${explain(error)}`;
    throw new CliError("failed", message);
  }
}

function sorted(services: readonly ServiceDump[]): readonly ServiceDump[] {
  const key = (it: ServiceDump) =>
    [it.namespace, it.name, it.portName, it.protocol, it.family].join("/");
  return services
    .map((service) => ({ service, key: key(service) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ service }) => service);
}

/** `http:80/TCP`, or `53/UDP` where the port has no name. */
export function portText({ portName, port, protocol }: ServiceDump): string {
  return `${portName === "" ? "" : `${portName}:`}${port}/${protocol}`;
}

/** `10.0.0.1:80`, `[fd00::1]:80` */
export function endpointText({ address, port }: { address: string; port: number }): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
