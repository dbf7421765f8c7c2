import { describe, expect, it } from "vitest";
import { attempt } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import type { Scenes } from "./stage.ts";
import { Webserver } from "./webserver.ts";

/** Upstream's test of externalTrafficPolicy at NodePorts; the server is on node "a". */
export const externalTrafficPolicy: Scenes = (stage) => {
  describe("externalTrafficPolicy", () => {
    it("[sig-network] Services should support externalTrafficPolicy=Local for type=NodePort (KP-21)", async () => {
      const { nodes, hostPods, outside } = stage();
      const spec = { type: "NodePort", externalTrafficPolicy: "Local" };
      const web = await Webserver.start(stage(), nodes.a, "etp-local", { spec });
      const ways = web.nodePortAt(nodes.a);
      for (const client of [hostPods.b, outside]) {
        await reaches(client, ways, "etp-local");
        const seen = await Promise.all(ways.map((way) => attempt(client, way)));
        expect(seen.flat()).toMatchObject([
          { ok: true, backend: "etp-local", client: client.ip4 },
          { ok: true, backend: "etp-local", client: client.ip6 },
        ]);
      }
    });
  });
};
