import { afterEach, describe, expect, it } from "vitest";
import { ask } from "../datapath/ask.ts";
import { type EndpointSpec, removeService, tcp, writeService } from "../datapath/manifests.ts";
import { ServedNode } from "../datapath/served_node.ts";
import { failsOnly, metric } from "./health.ts";

const surplus = ["shop-0", "shop-1", "shop-2", "shop-3", "shop-4", "shop-5", "shop-6", "shop-7"];

/** Four addresses at which nobody answers, to take room. */
const filler: readonly EndpointSpec[] = [1, 2, 3, 4].map((n) => ({
  pod: { ip4: `10.244.9.${n}`, ip6: "" },
}));

describe("a full map", () => {
  let served: ServedNode;
  afterEach(() => served?.[Symbol.asyncDispose]());

  it.each([
    ["services", "--max-services", 4],
    ["frontends", "--max-frontends", 8],
    ["backends", "--max-endpoints", 8],
    ["slots", "--max-slots", 16],
  ])(
    "of %s turns readiness within 10 s and names who found no room, until there is some; the node stays healthy and serves the others (PF-08, KP-41)",
    async (map, flag, capacity) => {
      served = await ServedNode.start({ flags: [`${flag}=${capacity}`] });
      const { node, folder, agent } = served;
      const client = await node.makePod("client");
      const pod = await served.backend("one", { tcp: [8080] });
      const web = { name: "web", ip4: "10.96.7.1", ports: [tcp(80, 8080)], endpoints: [{ pod }] };
      await served.publish(web);
      await failsOnly(node);
      for (const [n, name] of surplus.entries()) {
        await writeService(folder, { ...web, name, ip4: `10.96.7.${n + 2}`, endpoints: filler });
      }
      const { failing } = await failsOnly(node, "programmed");
      expect(failing.programmed).toContain(
        `the map ${map} has no room left in its ${capacity} entries: raise ${flag}`,
      );
      const [name] = /default\/shop-\d:tcp-80\/TCP\/IPv4/.exec(failing.programmed ?? "") ?? [];
      expect(await metric(node, `sluice_service_failing{service="${name}"}`)).toBe(1);
      expect(await metric(node, 'sluice_readiness{check="programmed"}')).toBe(0);
      expect(await metric(node, `sluice_map_capacity{map="${map}"}`)).toBe(capacity);
      // Not one of the surplus would fit beside what is there.
      const room = map === "backends" || map === "slots" ? 4 : 2;
      expect(await metric(node, `sluice_map_entries{map="${map}"}`)).toBeGreaterThan(
        capacity - room,
      );
      expect((await agent.run("status")).stdout).toContain(
        `NOT READY    REASON\nprogrammed   default/shop-`,
      );
      expect(await ask(client, "tcp", "10.96.7.1", 80)).toMatchObject({ backend: "one" });

      for (const each of surplus) await removeService(folder, each);
      await failsOnly(node);
      expect(await metric(node, `sluice_service_failing{service="${name}"}`)).toBeNaN();
      expect(await metric(node, 'sluice_readiness{check="programmed"}')).toBe(1);
      expect(await ask(client, "tcp", "10.96.7.1", 80)).toMatchObject({ backend: "one" });
    },
  );
});
