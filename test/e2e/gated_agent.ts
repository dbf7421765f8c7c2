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

export async function startGatedAgent(
  { controlPlane }: Cluster,
  node: TestNode,
): Promise<GatedAgent> {
  const path = join(controlPlane.folder, `gate-${node.name}.sock`);
  const gate = await Gate.before(loopback(Number(new URL(controlPlane.url).port)), { path });
  await node.start(process.execPath, [relay, path, `${port}`]).printed("ready");
  const server = `https://127.0.0.1:${port}`;
  const kubeconfig = await controlPlane.kubeconfigFor("system:kube-proxy", server);
  const agent = await TestAgent.start({
    node,
    source: { controlPlane },
    flags: [`--kubeconfig=${kubeconfig}`],
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
