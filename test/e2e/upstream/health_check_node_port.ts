import type { TestNode } from "../../harness/node.ts";
import { authorityOf, type RunningSite } from "../../harness/transfer.ts";
import { until } from "../../harness/until.ts";

/** HTTP status of a path at a node's healthCheckNodePort, by curl; 0 where nothing answers. */
async function statusOf(from: RunningSite, address: string, port: number): Promise<number> {
  const url = `http://${authorityOf(address, port)}/healthz`;
  const format = ["-o", "/dev/null", "-w", "%{http_code}"];
  const { stdout } = await from.run("curl", ["-g", "-s", "--max-time", "5", ...format, url]);
  return Number(stdout);
}

/** Resolves once a node says so by both of its addresses (KP-40). */
export async function hasHealth(
  from: RunningSite,
  { name, ip4, ip6 }: TestNode,
  port: number,
  status: 200 | 503 | 0,
): Promise<void> {
  for (const address of [ip4, ip6]) {
    let last = -1;
    await until(
      async () => {
        last = await statusOf(from, address, port);
        return last === status;
      },
      {
        deadlineMs: 20_000,
        describe: () => `${name} to say ${status} at ${port}; it says ${last}`,
      },
    );
  }
}

/** Resolves once nothing answers there any more. */
export const closesHealthCheck = (from: RunningSite, node: TestNode, port: number): Promise<void> =>
  hasHealth(from, node, port, 0);
