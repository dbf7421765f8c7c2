import { describe, expect, it } from "vitest";
import { attempt, type Site, type Target } from "../../harness/load.ts";
import { until } from "../../harness/until.ts";
import { reaches } from "../reach.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Webserver, type WebserverOptions } from "./webserver.ts";

/** Upstream's tests of pods that terminate and still serve; the server is on node "a". */
export const terminatingEndpoints: Scenes = (stage) => {
  /** A Service that all clients have reached, and whose one pod terminates. */
  async function startTerminating(
    name: string,
    spec: WebserverOptions["spec"],
    before: (web: Webserver) => Promise<void>,
  ): Promise<Webserver> {
    const { nodes, agents } = stage();
    const web = await Webserver.start(stage(), nodes.a, name, { ...(spec && { spec }) });
    await before(web);
    await web.terminate(...(spec?.internalTrafficPolicy ? [agents.a] : [agents.a, agents.b]));
    return web;
  }

  describe("endpoints that terminate", () => {
    it("[sig-network] Services should fallback to terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Cluster (KP-12)", async () => {
      const { pods, hostPods } = stage();
      const clients = [pods.a, pods.b, hostPods.a, hostPods.b];
      const all = async (web: Webserver) => {
        for (const client of clients) await reaches(client, web.clusterIPs, web.name);
      };
      await all(await startTerminating("terminating-itp-cluster", undefined, all));
    });

    it("[sig-network] Services should fallback to local terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Local (KP-13, KP-14)", async () => {
      const { pods, hostPods } = stage();
      const each = async (web: Webserver) => {
        for (const here of [pods.a, hostPods.a]) await reaches(here, web.clusterIPs, web.name);
        for (const elsewhere of [pods.b, hostPods.b]) {
          await reaches(elsewhere, web.clusterIPs, "ECONNREFUSED");
        }
      };
      const spec = { internalTrafficPolicy: "Local" };
      await each(await startTerminating("terminating-itp-local", spec, each));
    });

    it("[sig-network] Services should fallback to terminating endpoints when there are no ready endpoints with externallTrafficPolicy=Cluster (KP-12, KP-21)", async () => {
      const { pods, nodes, outside } = stage();
      const all = async (web: Webserver) => {
        for (const client of [pods.a, pods.b, outside]) {
          await reaches(client, web.nodePortAt(nodes.a), web.name);
        }
        // Beyond upstream's: by the node that the server is not on.
        await reaches(outside, web.nodePortAt(nodes.b), web.name);
      };
      await all(await startTerminating("terminating-etp-cluster", { type: "NodePort" }, all));
    });

    it("[sig-network] Services should fallback to local terminating endpoints when there are no ready endpoints with externalTrafficPolicy=Local (KP-13, KP-14, KP-21)", async () => {
      const { pods, nodes, agents, outside } = stage();
      const each = async (web: Webserver) => {
        await agents.b.hasEndpoints(web.name, 1);
        for (const client of [pods.a, pods.b, outside]) {
          await reaches(client, web.nodePortAt(nodes.a), web.name);
        }
        await areUnanswered([pods.a, outside], web.nodePortAt(nodes.b));
      };
      const spec = { type: "NodePort", externalTrafficPolicy: "Local" };
      await each(await startTerminating("terminating-etp-local", spec, each));
    });

    it("[sig-network] Services should fail health check node port if there are only terminating endpoints (KP-13, KP-40)", async () => {
      const { nodes, pods, outside, agents } = stage();
      const spec = { type: "LoadBalancer", externalTrafficPolicy: "Local" };
      const web = await Webserver.start(stage(), nodes.a, "terminating-health", { spec });
      await answersHealth(pods.a, web, "200");
      await web.terminate(agents.a);
      await answersHealth(pods.a, web, "503");
      for (const client of [pods.a, outside]) {
        await reaches(client, web.nodePortAt(nodes.a), web.name);
      }
    });
  });

  /** The status that /healthz at the health check node port of node "a" comes to have. */
  async function answersHealth(from: Stage["pods"]["a"], web: Webserver, status: string) {
    const { nodes } = stage();
    const port = web.service.spec?.healthCheckNodePort;
    const urls = [nodes.a.ip4, `[${nodes.a.ip6}]`].map((host) => `http://${host}:${port}/healthz`);
    const format = ["-s", "-g", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5"];
    for (const url of urls) {
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
};

/** Five attempts of each client in each way, all of which get no answer at all. */
async function areUnanswered(clients: readonly Site[], ways: readonly Target[]): Promise<void> {
  const each = clients.flatMap((client) => ways.map((way) => ({ client, way })));
  const outcomes = await Promise.all(
    each.map(({ client, way }) => attempt(client, way, { count: 5, timeoutMs: 200 })),
  );
  const errors = outcomes.flat().map((one) => (one.ok ? one.backend : one.errno));
  expect(errors).toEqual(Array.from({ length: 5 * each.length }, () => "ETIMEDOUT"));
}
