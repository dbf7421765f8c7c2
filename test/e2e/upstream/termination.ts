import type { TestAgent } from "../../harness/agent.ts";
import { until } from "../../harness/until.ts";
import type { Subject } from "./subject.ts";

/**
 * Deletes all pods of a Service, which go on serving. Resolves once these agents lead to them as to
 * such as terminate.
 */
export async function terminate(
  { name, pods }: Subject,
  ...agents: readonly TestAgent[]
): Promise<void> {
  for (const pod of pods.pods) await pod.terminate();
  for (const agent of agents) {
    await until(() => terminates(agent, name), {
      deadlineMs: 20_000,
      describe: `${agent.node.name} to see the pods of ${name} terminate`,
    });
  }
}

async function terminates(agent: TestAgent, name: string): Promise<boolean> {
  const ports = (await agent.services()).filter((each) => each.name === name);
  return (
    ports.length > 0 &&
    ports.every(({ cluster, local }) => {
      const backends = [...cluster, ...local];
      return backends.length > 0 && backends.every(({ terminating }) => terminating);
    })
  );
}
