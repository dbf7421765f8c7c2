import { expect, it } from "vitest";
import type { Child } from "../../harness/child.ts";
import { type Load, type Site, startLoad, type Target } from "../../harness/load.ts";
import { program } from "../../harness/programs.ts";
import { until } from "../../harness/until.ts";
import { reaches } from "../reach.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, targetPort } from "./subject.ts";

/** TCP connections that get a segment which netfilter's conntrack takes for invalid. */
export const tcpConntrack: Scenes = (stage) => {
  // Named "should drop INVALID conntrack entries" at first, which was kube-proxy's remedy.
  it("[sig-network] Conntrack proxy implementation should not be vulnerable to the invalid conntrack state bug [Privileged] (PF-26)", async () => {
    const { nodes } = stage();
    const pods = { nodes: [nodes.b] };
    const subject = await Subject.forTest(stage(), "boom-server", { type: "NodePort" }, pods);
    const clients = await clientsOf(stage(), subject);
    for (const { from, ways } of clients) await reaches(from, ways, ...subject.podNames);
    const straggler = await startStraggler(subject);
    const loads = (await Promise.all(clients.map(connect))).flat();

    await until(() => loads.every((load) => eventsOf(straggler, load).includes("duplicate")), {
      deadlineMs: 20_000,
      describe: () => `each connection to get a late segment: ${straggler.lines.slice(-30)}`,
    });
    await goOn(loads);
    expect(loads.flatMap((load) => eventsOf(straggler, load))).not.toContain("reset");
    expect(loads.flatMap(({ attempts }) => attempts.filter(({ ok }) => !ok))).toEqual([]);
    await Promise.all(loads.map((load) => load.stop()));
  });
};

interface Client {
  readonly from: Site;
  readonly ways: readonly Target[];
}

/** Upstream's, which is translated at its socket, and such as are translated packet by packet. */
async function clientsOf(stage: Stage, subject: Subject): Promise<readonly Client[]> {
  const { nodes, pods, hostPods, outside } = stage;
  const sandboxed = await nodes.a.makePod("boom-sandboxed", { sandboxed: true });
  const nodePort = subject.nodePortWays(nodes.b);
  return [
    { from: pods.a, ways: subject.ways() },
    { from: sandboxed, ways: subject.ways() },
    { from: hostPods.a, ways: nodePort },
    { from: outside, ways: nodePort },
  ];
}

/** In the server's pod: what it sends is the server's to whoever gets it. */
async function startStraggler({ pods }: Subject): Promise<Child> {
  const [server] = pods.pods;
  if (server === undefined) throw new Error("there is no server");
  const straggler = server.pod.start(await program("straggler"), [`${targetPort}`]);
  await straggler.printed("ready\n");
  return straggler;
}

/** One connection in each way, that is kept in use. */
const connect = ({ from, ways }: Client): Promise<readonly Load[]> =>
  Promise.all(ways.map((way) => startLoad(from, way, { keep: true, gapUs: 20_000 })));

async function goOn(loads: readonly Load[]): Promise<void> {
  const made = loads.map(({ attempts }) => attempts.length);
  await until(() => loads.every(({ attempts }, at) => attempts.length > (made[at] ?? 0) + 5), {
    deadlineMs: 20_000,
    describe: "each connection to go on",
  });
}

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
