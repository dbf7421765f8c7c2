import { expect, it } from "vitest";
import { attempt } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import type { Scenes } from "./stage.ts";
import { Subject } from "./subject.ts";

/** Policy Local for traffic from outside, at NodePorts; the server is on node "a". */
export const externalTrafficPolicy: Scenes = (stage) => {
  it("[sig-network] Services should support externalTrafficPolicy=Local for type=NodePort (KP-21)", async () => {
    const { nodes, hostPods, outside } = stage();
    const spec = { type: "NodePort", externalTrafficPolicy: "Local" };
    const subject = await Subject.forTest(stage(), "etp-local", spec);
    const ways = subject.nodePortWays(nodes.a);
    for (const client of [hostPods.b, outside]) {
      await reaches(client, ways, "etp-local-0");
      const seen = await Promise.all(ways.map((way) => attempt(client, way)));
      expect(seen.flat()).toMatchObject([
        { ok: true, backend: "etp-local-0", client: client.ip4 },
        { ok: true, backend: "etp-local-0", client: client.ip6 },
      ]);
    }
  });
};
