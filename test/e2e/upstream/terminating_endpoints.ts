import { expect, it } from "vitest";
import { attempt, type Site, type Target } from "../../harness/load.ts";
import type { TestPod } from "../../harness/pod.ts";
import { until } from "../../harness/until.ts";
import { reaches } from "../reach.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";
import { terminate } from "./termination.ts";

/** Pods that terminate and still serve, where no other is left; the server is on node "a". */
export const terminatingEndpoints: Scenes = (stage) => {
  it("[sig-network] Services should fallback to terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Cluster (KP-12)", async () => {
    const { agents, pods, hostPods } = stage();
    const subject = await Subject.forTest(stage(), "terminating-itp-cluster");
    const clients = [pods.a, pods.b, hostPods.a, hostPods.b];
    await beforeAndAfter(subject, [agents.a, agents.b], () =>
      reach(clients, subject.ways(), ...subject.podNames),
    );
  });

  it("[sig-network] Services should fallback to local terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Local (KP-13, KP-14)", async () => {
    const { agents, pods, hostPods } = stage();
    const spec = { internalTrafficPolicy: "Local" };
    const subject = await Subject.forTest(stage(), "terminating-itp-local", spec);
    await beforeAndAfter(subject, [agents.a], async () => {
      await reach([pods.a, hostPods.a], subject.ways(), ...subject.podNames);
      await reach([pods.b, hostPods.b], subject.ways(), "ECONNREFUSED");
    });
  });

  it("[sig-network] Services should fallback to terminating endpoints when there are no ready endpoints with externallTrafficPolicy=Cluster (KP-12, KP-21)", async () => {
    const { agents, pods, nodes, outside } = stage();
    const spec = { type: "NodePort" };
    const subject = await Subject.forTest(stage(), "terminating-etp-cluster", spec);
    await beforeAndAfter(subject, [agents.a, agents.b], async () => {
      const ways = subject.nodePortWays(nodes.a);
      await reach([pods.a, pods.b, outside], ways, ...subject.podNames);
      // Beyond upstream's: by the node that the server is not on.
      await reach([outside], subject.nodePortWays(nodes.b), ...subject.podNames);
    });
  });

  it("[sig-network] Services should fallback to local terminating endpoints when there are no ready endpoints with externalTrafficPolicy=Local (KP-13, KP-14, KP-21)", async () => {
    const { agents, pods, nodes, outside } = stage();
    const spec = { type: "NodePort", externalTrafficPolicy: "Local" };
    const subject = await Subject.forTest(stage(), "terminating-etp-local", spec);
    await agents.b.hasEndpoints(subject.name, 1);
    await beforeAndAfter(subject, [agents.a, agents.b], async () => {
      const ways = subject.nodePortWays(nodes.a);
      await reach([pods.a, pods.b, outside], ways, ...subject.podNames);
      await areUnanswered([pods.a, outside], subject.nodePortWays(nodes.b));
    });
  });

  it("[sig-network] Services should fail health check node port if there are only terminating endpoints (KP-13, KP-40)", async () => {
    const { agents, nodes, pods, outside } = stage();
    const spec = { type: "LoadBalancer", externalTrafficPolicy: "Local" };
    const subject = await Subject.forTest(stage(), "terminating-health", spec);
    await answersHealth(stage(), pods.a, subject, "200");
    await terminate(subject, agents.a);
    await answersHealth(stage(), pods.a, subject, "503");
    await reach([pods.a, outside], subject.nodePortWays(nodes.a), ...subject.podNames);
  });
};

/** The same holds while the pod is ready and once these agents know that it terminates. */
async function beforeAndAfter(
  subject: Subject,
  agents: readonly Stage["agents"]["a"][],
  holds: () => Promise<void>,
): Promise<void> {
  await holds();
  await terminate(subject, ...agents);
  await holds();
}

async function reach(
  clients: readonly Site[],
  ways: readonly Target[],
  ...outcome: readonly string[]
): Promise<void> {
  for (const client of clients) await reaches(client, ways, ...outcome);
}

/** Five attempts of each client in each way, all of which get no answer at all. */
async function areUnanswered(clients: readonly Site[], ways: readonly Target[]): Promise<void> {
  const each = clients.flatMap((client) => ways.map((way) => ({ client, way })));
  const outcomes = await Promise.all(
    each.map(({ client, way }) => attempt(client, way, { count: 5, timeoutMs: 200 })),
  );
  const errors = outcomes.flat().map((one) => (one.ok ? one.backend : one.errno));
  expect(errors).toEqual(Array.from({ length: 5 * each.length }, () => "ETIMEDOUT"));
}

/** Resolves once the health check node port of node "a" has this status at each of its addresses. */
async function answersHealth(
  { nodes }: Stage,
  from: TestPod,
  { spec }: Subject,
  status: string,
): Promise<void> {
  const format = ["-s", "-g", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5"];
  for (const host of [nodes.a.ip4, `[${nodes.a.ip6}]`]) {
    const url = `http://${host}:${spec.healthCheckNodePort}/healthz`;
    let last = "";
    await until(
      async () => {
        last = (await from.run("curl", [...format, url])).stdout;
        return last === status;
      },
      { deadlineMs: 20_000, describe: () => `${url} to answer ${status}; it answers ${last}` },
    );
  }
}
