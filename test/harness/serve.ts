import type { Child } from "./child.ts";
import { program } from "./programs.ts";

export interface ServerPorts {
  readonly tcp?: readonly number[];
  readonly udp?: readonly number[];
}

export interface ServeOptions {
  /** Prints one JSON line per client to the server's standard output. Default false. */
  readonly log?: boolean;
}

/** What can serve: a pod, or a node with a server of the host network. */
export interface ServingSite {
  readonly name: string;
  start(command: string, args: readonly string[]): Child;
}

/**
 * Starts a server that answers with the site's name and the client's address, and then echoes.
 * Resolves once it listens.
 */
export async function serve(
  site: ServingSite,
  ports: ServerPorts,
  { log = false }: ServeOptions = {},
): Promise<Child> {
  const tcp = (ports.tcp ?? []).map((port) => `tcp:${port}`);
  const udp = (ports.udp ?? []).map((port) => `udp:${port}`);
  const flags = log ? ["--log"] : [];
  const server = site.start(await program("podserver"), [site.name, ...flags, ...tcp, ...udp]);
  await server.printed("ready\n");
  return server;
}
