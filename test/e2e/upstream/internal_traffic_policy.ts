import { describe, it } from "vitest";
import type { Site } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Webserver } from "./webserver.ts";

const spec = { internalTrafficPolicy: "Local" } as const;

/** Upstream's tests of internalTrafficPolicy; the server is on node "a". */
export const internalTrafficPolicy: Scenes = (stage) => {
  /**
   * Clients on the server's node are answered by `server`, those elsewhere by nobody: also once
   * node "b" is known to have heard of the server, which the other policy shows.
   */
  async function isKeptToItsNode(
    web: Webserver,
    server: string,
    here: readonly Site[],
    elsewhere: readonly Site[],
  ): Promise<void> {
    const { api } = stage().cluster;
    const become = (internalTrafficPolicy: string) =>
      api.patchService(web.name, { spec: { internalTrafficPolicy } });
    for (const client of here) await reaches(client, web.clusterIPs, server);
    for (const client of elsewhere) await reaches(client, web.clusterIPs, "ECONNREFUSED");
    await become("Cluster");
    for (const client of elsewhere) await reaches(client, web.clusterIPs, server);
    await become("Local");
    for (const client of elsewhere) await reaches(client, web.clusterIPs, "ECONNREFUSED");
    for (const client of here) await reaches(client, web.clusterIPs, server);
  }

  const start = (name: string, options = {}): Promise<Webserver> => {
    const { nodes }: Stage = stage();
    return Webserver.start(stage(), nodes.a, name, { spec, ...options });
  };

  describe("internalTrafficPolicy", () => {
    it("[sig-network] Services should respect internalTrafficPolicy=Local Pod to Pod (KP-10, KP-14)", async () => {
      const { pods } = stage();
      const web = await start("itp-pod");
      await isKeptToItsNode(web, "itp-pod", [pods.a], [pods.b]);
    });

    it("[sig-network] Services should respect internalTrafficPolicy=Local Pod (hostNetwork: true) to Pod (KP-10, KP-14)", async () => {
      const { hostPods } = stage();
      const web = await start("itp-host", { port: 8000, targetPort: 8000 });
      await isKeptToItsNode(web, "itp-host", [hostPods.a], [hostPods.b]);
    });

    it("[sig-network] Services should respect internalTrafficPolicy=Local Pod and Node, to Pod (hostNetwork: true) (KP-10, KP-14)", async () => {
      const { pods, hostPods } = stage();
      const web = await start("itp-to-host", { targetPort: 10_180, hostNetwork: true });
      await isKeptToItsNode(web, "itp-to-host", [pods.a, hostPods.a], [pods.b, hostPods.b]);
    });
  });
};
