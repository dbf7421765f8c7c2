import type { Child } from "../harness/child.ts";
import type { TestNode } from "../harness/node.ts";
import type { ServerPorts } from "../harness/pod.ts";
import { program } from "../harness/programs.ts";

/** Starts a server in the node's own network, like a pod's; it ends when it is disposed of. */
export async function serveOnNode(
  node: TestNode,
  name: string,
  { tcp = [], udp = [] }: ServerPorts,
): Promise<Child> {
  const ports = [...tcp.map((port) => `tcp:${port}`), ...udp.map((port) => `udp:${port}`)];
  const server = node.start(await program("podserver"), [name, ...ports]);
  await server.printed("ready\n");
  return server;
}
