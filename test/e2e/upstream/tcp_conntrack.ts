import { describe, expect, it } from "vitest";
import type { Child } from "../../harness/child.ts";
import { ClusterPod } from "../../harness/cluster_pod.ts";
import { type Load, type Site, startLoad, type Target } from "../../harness/load.ts";
import { program } from "../../harness/programs.ts";
import { until } from "../../harness/until.ts";
import { reaches } from "../reach.ts";
import type { Scenes } from "./stage.ts";

const port = { name: "tcp", protocol: "TCP", port: 9000, targetPort: 9000 };

/** Upstream's test of segments that conntrack takes for invalid; the server is on node "b". */
export const tcpConntrack: Scenes = (stage) => {
  /** Beside its server, the pod has a `straggler`. */
  async function startServer(): Promise<Child> {
    const { cluster, nodes } = stage();
    const { pod } = await ClusterPod.start(cluster.api, nodes.b, {
      name: "boom-server",
      labels: { app: "boom-server" },
      ports: [{ port: 9000 }],
    });
    const straggler = pod.start(await program("straggler"), ["9000"]);
    await straggler.printed("ready\n");
    return straggler;
  }

  async function waysOf(name: string): Promise<Readonly<Record<"inside" | "outside", Target[]>>> {
    const { cluster, nodes } = stage();
    const { spec } = await cluster.api.createService(name, {
      type: "NodePort",
      selector: { app: name },
      ports: [port],
      ipFamilyPolicy: "RequireDualStack",
    });
    const at = (addresses: readonly string[], number = 0): Target[] =>
      addresses.map((address) => ({ protocol: "tcp", address, port: number }));
    return {
      inside: at(spec?.clusterIPs ?? [], 9000),
      outside: at([nodes.b.ip4, nodes.b.ip6], spec?.ports?.[0]?.nodePort),
    };
  }

  const connect = async (from: Site, ways: readonly Target[]): Promise<readonly Load[]> =>
    Promise.all(ways.map((way) => startLoad(from, way, { keep: true, gapUs: 20_000 })));

  describe("TCP connections", () => {
    // Once "should drop INVALID conntrack entries": kube-proxy left such segments untranslated.
    it("[sig-network] Conntrack proxy implementation should not be vulnerable to the invalid conntrack state bug [Privileged] (PF-26)", async () => {
      const { nodes, pods, hostPods, outside } = stage();
      const { inside, outside: nodePorts } = await waysOf("boom-server");
      const straggler = await startServer();
      // Upstream's client, and those whose packets are translated.
      const sandboxed = await nodes.a.makePod("boom-sandboxed", { sandboxed: true });
      const clients = [
        { from: pods.a, ways: inside },
        { from: sandboxed, ways: inside },
        { from: hostPods.a, ways: nodePorts },
        { from: outside, ways: nodePorts },
      ];
      for (const { from, ways } of clients) await reaches(from, ways, "boom-server");
      const loads = (
        await Promise.all(clients.map(({ from, ways }) => connect(from, ways)))
      ).flat();

      await until(() => loads.every((load) => isTold(straggler, load)), {
        deadlineMs: 20_000,
        describe: () => `each connection to get a late segment; there were ${straggler.stdout}`,
      });
      const made = loads.map(({ attempts }) => attempts.length);
      await until(() => loads.every(({ attempts }, at) => attempts.length > (made[at] ?? 0) + 5), {
        deadlineMs: 20_000,
        describe: "each connection to go on",
      });
      const resets = loads.filter((load) => eventsOf(straggler, load).includes("reset"));
      expect(resets).toEqual([]);
      expect(loads.flatMap(({ attempts }) => attempts.filter(({ ok }) => !ok))).toEqual([]);
      await Promise.all(loads.map((load) => load.stop()));
    });
  });
};

/** What the straggler said of the connection that a load keeps. */
function eventsOf({ lines }: Child, { attempts }: Load): readonly string[] {
  const [first] = attempts;
  if (!first?.ok) return [];
  return lines
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { event: string; client: string; clientPort: number })
    .filter(({ client, clientPort }) => client === first.client && clientPort === first.clientPort)
    .map(({ event }) => event);
}

/** Whether its client has had a late segment, and recognised it. */
const isTold = (straggler: Child, load: Load): boolean =>
  eventsOf(straggler, load).includes("duplicate");
