import { onTestFinished } from "vitest";
import type { TestAgent } from "../../harness/agent.ts";
import type { TestNode } from "../../harness/node.ts";
import { until } from "../../harness/until.ts";
import type { Stage } from "./stage.ts";
import { unlessGone } from "./subject.ts";

/** What cloud controllers hold a Service by until its balancer is gone. */
export const cleanupFinalizer = "service.kubernetes.io/load-balancer-cleanup";

/** The last part of the first addresses that the cloud gives away, in decimal and hexadecimal. */
const firstHost = 101;
let given = 0;

/**
 * Plays the cloud's controller: gives a Service a balancer with an address of each family, which are
 * led to the stage's first node, until the running test is over. Resolves once the agents know.
 */
export async function provision(stage: Stage, service: string): Promise<readonly string[]> {
  const { api } = stage.cluster;
  const host = firstHost + given++;
  const addresses = [`203.0.113.${host}`, `2001:db8:113::${host}`];
  await api.patchService(service, { metadata: { finalizers: [cleanupFinalizer] } });
  onTestFinished(() => release(stage, service).catch(unlessGone));
  await announce(stage, service, addresses);
  for (const agent of Object.values(stage.agents)) await serves(agent, service, addresses);
  return addresses;
}

/** What is sent to an address before an agent serves it goes round, and UDP waits for its timeout. */
async function serves(agent: TestAgent, service: string, addresses: readonly string[]) {
  await until(
    async () => {
      const ports = (await agent.services()).filter(({ name }) => name === service);
      const served = ports.flatMap(({ frontends }) => frontends.map(({ address }) => address));
      return addresses.every((address) => served.includes(address));
    },
    { deadlineMs: 20_000, describe: `${agent.node.name} to serve ${service} at ${addresses}` },
  );
}

/** Writes the addresses of its balancer into the status of a Service. */
export async function announce(
  stage: Stage,
  service: string,
  addresses: readonly string[],
  ipMode?: "VIP" | "Proxy",
): Promise<void> {
  const ingress = addresses.map((ip) => ({ ip, ...(ipMode && { ipMode }) }));
  await stage.cluster.api.patchServiceStatus(service, { loadBalancer: { ingress } });
}

/** Takes the balancer away: its addresses first, what holds the Service last. */
export async function release(stage: Stage, service: string): Promise<void> {
  const { api } = stage.cluster;
  await api.patchServiceStatus(service, { loadBalancer: null as never });
  await api.patchService(service, { metadata: { finalizers: null } });
}

/** Plays the balancer: has everything that is sent to its addresses reach this node. */
export async function leadTo(
  stage: Stage,
  addresses: readonly string[],
  node: TestNode,
): Promise<void> {
  for (const address of addresses) await stage.cluster.network.routeTo(address, node);
}
