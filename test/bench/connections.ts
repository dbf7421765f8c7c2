import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bpfObjectPath } from "../../agent/assets.ts";
import { openDatapath } from "../../agent/datapath/open.ts";
import { removePinned } from "../../agent/datapath/remove.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { cgroupRoot, makeCgroup, removeCgroup } from "../harness/cgroup.ts";
import { command } from "../harness/command.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { Network } from "../harness/network.ts";
import type { TestPod } from "../harness/pod.ts";
import { clusterIP, desiredServices } from "./services.ts";
import { ratio, type Spread, spreadOf } from "./statistics.ts";
import { printTable } from "./table.ts";

const SERVICES = 10_000;
const ENDPOINTS = 10;
const FIRST_PORT = 9000;

/** Operations in a turn: few, so that the sides alternate faster than the machine drifts. */
const modes = [
  { name: "connect", title: "connect()", rounds: 1500, operations: 40, bar: 1.03 },
  { name: "crr", title: "connect-request-response", rounds: 1500, operations: 40, bar: 1.03 },
  { name: "tcp_rr", title: "TCP request-response", rounds: 1500, operations: 100, bar: 1.03 },
  { name: "udp_rr", title: "UDP request-response", rounds: 1500, operations: 100, bar: 1.07 },
] as const;

type Mode = (typeof modes)[number];

/** Where each side runs and what it speaks to. */
interface Sides {
  readonly pod: TestPod;
  readonly program: string;
  readonly plain: string;
  readonly served: string;
  readonly direct: string;
  readonly hot: string;
  readonly cold: string;
}

interface Result {
  readonly directNs: Spread;
  /** Ratios to the direct connection of a socket that sluice does not see. */
  readonly untranslated: Spread;
  readonly hot: Spread;
  readonly cold: Spread;
}

/**
 * What a ClusterIP costs with 10,000 Services programmed, against the direct connection of a socket
 * outside of the agent's cgroup, in one interleaved run; twice, to show how far two runs agree.
 */
export async function benchConnections(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}bench-`));
  const plain = await makeCgroup(join(await cgroupRoot(), `${ownPrefix}plain`));
  const pinPath = join(bpffs, `${ownPrefix}bench`);
  await using network = await Network.create();
  try {
    const node = await network.makeNode("bench");
    const server = await node.makePod("server");
    const pod = await node.makePod("client");
    await program(pinPath, node.cgroup, server.ip4);
    const sides = await prepare(folder, pod, plain, server.ip4);
    await using _echo = await startServer(server, sides.program);
    const runs = [await measureAll(sides), await measureAll(sides)];
    print(runs);
  } finally {
    removePinned(pinPath, bpfObjectPath("sock"));
    await removeCgroup(plain);
    await rm(folder, { recursive: true, force: true });
  }
}

async function program(pinPath: string, cgroupPath: string, address: string): Promise<void> {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, i) => ({
    address,
    port: FIRST_PORT + i,
  }));
  const ports = 2 * SERVICES;
  const datapath = openDatapath({
    objectPath: bpfObjectPath("sock"),
    pinPath,
    cgroupPath,
    sizes: { services: ports, service_names: ports, service_stats: ports },
  });
  const reconciler = await Reconciler.adopt(datapath.maps);
  const set = { count: SERVICES, protocols: ["TCP", "UDP"] as const, endpoints };
  const { failures } = reconciler.apply([...desiredServices(set)]);
  // Looked into for every address that is no Service's.
  reconciler.applyServiceCidrs(new Set(["10.96.0.0/12", "fd00:10:96::/112"]));
  datapath.close();
  if (failures[0] !== undefined) throw new Error(failures[0].message);
}

async function prepare(
  folder: string,
  pod: TestPod,
  plain: string,
  address: string,
): Promise<Sides> {
  await command("make", ["-s", "-C", import.meta.dirname]);
  const file = async (name: string, lines: readonly string[]): Promise<string> => {
    await writeFile(join(folder, name), lines.join("\n"));
    return join(folder, name);
  };
  // All files are of one length, so that the client itself reads as much memory on every side.
  const lines = (line: (i: number) => string) =>
    Array.from({ length: SERVICES }, (_, i) => line(i));
  return {
    pod,
    program: join(import.meta.dirname, "build/traffic"),
    plain,
    served: pod.cgroup,
    direct: await file(
      "direct",
      lines((i) => `${address} ${FIRST_PORT + (i % ENDPOINTS)}`),
    ),
    hot: await file(
      "hot",
      lines(() => `${clusterIP(SERVICES / 2)} 80`),
    ),
    cold: await file(
      "cold",
      lines((i) => `${clusterIP(i + 1)} 80`),
    ),
  };
}

async function startServer(pod: TestPod, path: string) {
  const server = pod.start(path, ["echo", "1", `${ENDPOINTS}`, pod.ip4]);
  await server.printed("ready");
  return server;
}

async function measureAll(sides: Sides): Promise<ReadonlyMap<Mode, Result>> {
  const results = new Map<Mode, Result>();
  for (const mode of modes) results.set(mode, await measure(mode, sides));
  return results;
}

async function measure(mode: Mode, sides: Sides): Promise<Result> {
  const { pod, program: path, plain, served, direct, hot, cold } = sides;
  const args = ["client", "0", mode.name, `${mode.rounds}`, `${mode.operations}`];
  const pairs = [plain, direct, served, direct, served, hot, served, cold];
  const client = pod.start(path, [...args, ...pairs]);
  const { code } = await client.exited;
  if (code !== 0) throw new Error(`${mode.name}: ${client.stderr}`);
  const rounds = client.lines.map((line) => line.split(" ").map(Number));
  const over = (side: number): Spread =>
    spreadOf(rounds.map((ns) => (ns[side] ?? Number.NaN) / (ns[0] ?? Number.NaN)));
  return {
    directNs: spreadOf(rounds.map(([ns = Number.NaN]) => ns)),
    untranslated: over(1),
    hot: over(2),
    cold: over(3),
  };
}

function print(runs: readonly ReadonlyMap<Mode, Result>[]): void {
  console.log(`A ClusterIP against the direct connection, pod to pod on one node; IPv4.
${SERVICES} Services of ${ENDPOINTS} endpoints, each with a TCP and a UDP port, are programmed.
Ratios: medians of pairs (quartiles) over interleaved rounds. "untranslated": a direct connection of
a socket that sluice sees. "one": always the same Service; "any": a random one of all.
`);
  const rows = modes.flatMap((mode) =>
    runs.map((run, i) => {
      const result = run.get(mode);
      if (result === undefined) throw new Error(`${mode.name} was not measured`);
      return [
        i === 0 ? mode.title : "",
        `${i + 1}`,
        `${(result.directNs.median / 1000).toFixed(2)} µs`,
        ratio(result.untranslated),
        ratio(result.hot),
        ratio(result.cold),
        i === 0 ? `${mode.bar}` : "",
      ];
    }),
  );
  printTable(["OPERATION", "RUN", "DIRECT", "UNTRANSLATED", "ONE", "ANY", "BAR"], rows);
}
