import { join } from "node:path";
import { Gate, loopback } from "../controlplane/gate.ts";
import { TestAgent } from "../harness/agent.ts";
import type { Cluster } from "../harness/cluster.ts";
import type { TestNode } from "../harness/node.ts";

const relay = join(import.meta.dirname, "../controlplane/relay.ts");
/** Inside the node's network, where nothing else listens. */
const port = 6443;

/** An agent, and the gate that only it goes through on its way to the API server. */
export interface GatedAgent extends AsyncDisposable {
  readonly agent: TestAgent;
  readonly gate: Gate;
}

export async function startGatedAgent(cluster: Cluster, node: TestNode): Promise<GatedAgent> {
  const gated = await prepareGatedAgent(cluster, node);
  try {
    await gated.agent.begin();
    return gated;
  } catch (error) {
    await gated[Symbol.asyncDispose]();
    throw error;
  }
}

/** The gate is open; the agent is not started. */
export async function prepareGatedAgent(
  { controlPlane }: Cluster,
  node: TestNode,
  flags: readonly string[] = [],
): Promise<GatedAgent> {
  const path = join(controlPlane.folder, `gate-${node.name}.sock`);
  const gate = await Gate.before(loopback(Number(new URL(controlPlane.url).port)), { path });
  await node.start(process.execPath, [relay, path, `${port}`]).printed("ready");
  const server = `https://127.0.0.1:${port}`;
  const kubeconfig = await controlPlane.kubeconfigFor("system:kube-proxy", server);
  const agent = await TestAgent.prepare({
    node,
    source: { controlPlane },
    flags: [`--kubeconfig=${kubeconfig}`, ...flags],
  });
  return {
    agent,
    gate,
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await gate[Symbol.asyncDispose]();
    },
  };
}
