import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "../harness/command.ts";
import { ownPrefix, sweep } from "../harness/leftovers.ts";
import { CLIENT_CPU } from "./north_south_node.ts";
import { SERVICES } from "./north_south_objects.ts";
import { type Mode, type Race, type Rounds, runRace } from "./north_south_race.ts";
import { NorthSouthStage, traffic } from "./north_south_stage.ts";
import { ratio, type Spread, spreadOf } from "./statistics.ts";
import { printTable } from "./table.ts";

const RUNS = 2;
const BACKGROUND_CPU = 1;

/** Operations in a turn: few, so that the sides alternate faster than the machine drifts. */
const modes: readonly Mode[] = [
  { name: "crr", title: "connect-request-response", rounds: 1000, operations: 100, bar: 1.03 },
  { name: "tcp_rr", title: "TCP request-response", rounds: 800, operations: 400, bar: 1.02 },
  { name: "udp_rr", title: "UDP request-response", rounds: 800, operations: 400, bar: 1.02 },
  { name: "packets", title: "UDP packets one way", rounds: 500, operations: 4000 },
  { name: "stream", title: "TCP stream, 256 KB", rounds: 300, operations: 20 },
];

/** Packets per second of the flood, of those that nftables brings through. */
const PACKET_RATE_BAR = 1.25;

const plain = { title: "PLAIN", translation: "none", targets: "one" } as const;
const sluice = { title: "SLUICE", translation: "sluice", targets: "one" } as const;
const nftables = { title: "NFTABLES", translation: "nftables", targets: "one" } as const;

/** Few sides at a time: each drives what the others keep out of the caches. */
const judged: Race = { modes, columns: [plain, sluice, nftables] };
const informal: Race = {
  modes: modes.map((mode) => ({ ...mode, rounds: mode.rounds / 2 })),
  columns: [
    plain,
    { title: "SLUICE, ANY", translation: "sluice", targets: "any" },
    { title: "NFTABLES, ANY", translation: "nftables", targets: "any" },
    { title: "FAST PATH OFF", translation: "sluice-stack", targets: "one" },
    { title: "IPTABLES", translation: "iptables", targets: "one" },
  ],
};
const races = [judged, informal];

/** Of one run, by the mode's name. */
type Run = ReadonlyMap<string, Rounds>;

/**
 * What a NodePort with a backend on the node costs a client outside, against a node that only
 * forwards, in one interleaved run with kube-proxy; twice, to show how far two runs agree.
 */
export async function benchNorthSouth(): Promise<void> {
  await sweep();
  await command("make", ["-s", "-C", import.meta.dirname]);
  // What is started from here stays there, but for the traffic itself, which says where it runs.
  await command("taskset", ["-acp", `${BACKGROUND_CPU}`, `${process.pid}`]);
  const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}north-south-`));
  await using stage = new NorthSouthStage(folder);
  try {
    await stage.build([
      ...new Set(races.flatMap(({ columns }) => columns.map((each) => each.translation))),
    ]);
    const memoryNs = [await memoryReadNs()];
    const runs: Run[] = [];
    for (let i = 0; i < RUNS; i++) {
      runs.push(await runRace(stage, judged));
      memoryNs.push(await memoryReadNs());
    }
    const more = await runRace(stage, informal);
    await printConditions(stage, memoryNs);
    printJudged(runs);
    console.log(`
For information, one run: any, that is a random one of all Services each time; the path through the stack; iptables.
`);
    printTable(headOf(informal), rowsOf(informal, [more]));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const memoryReadNs = (): Promise<string> =>
  command(traffic, ["memory", `${CLIENT_CPU}`]).then((text) => text.trim());

async function printConditions(stage: NorthSouthStage, memoryNs: readonly string[]): Promise<void> {
  console.log(`A NodePort against the pod's own address, from a client outside of the node; IPv4.
${SERVICES} Services with a TCP and a UDP port and 4 endpoints each, on the node; externalTrafficPolicy Cluster.
Client, node and pod are network namespaces, joined by veth pairs. Client and echo share a CPU; the sink has the other.
netfilter's conntrack in the node's namespace: ${(await stage.conntrack()).join(", ")}.
Paths of sluice: ${(await stage.paths()).join("; ")}.
A random read of 24 MB of memory took ${memoryNs.join(", ")} ns, before, between and after.
Ratios: medians of pairs (quartiles) over interleaved rounds, time per operation against plain forwarding.
`);
}

function printJudged(runs: readonly Run[]): void {
  const rates = runs.map((run, i) => {
    const rate = ratioOf(run, "packets", nftables, sluice);
    const title = i === 0 ? "packets per second, of nftables" : "";
    return [title, `${i + 1}`, "", cell(rate), "", i === 0 ? `at least ${PACKET_RATE_BAR}` : ""];
  });
  printTable(headOf(judged), [...rowsOf(judged, runs), ...rates]);
}

const headOf = ({ columns }: Race): string[] => [
  "OPERATION",
  "RUN",
  ...columns.map(({ title }) => title),
  "BAR",
];

const rowsOf = ({ modes, columns }: Race, runs: readonly Run[]): string[][] =>
  modes.flatMap(({ name, title, bar }) =>
    runs.map((run, i) => {
      const cells = columns.slice(1).map((column) => cell(ratioOf(run, name, column, plain)));
      const base = microseconds(spreadOf(run.get(name)?.get(plain) ?? []));
      const isFirst = i === 0;
      return [isFirst ? title : "", `${i + 1}`, base, ...cells, isFirst ? `${bar ?? ""}` : ""];
    }),
  );

/** Of one column's time to another's, round by round; undefined where it was not measured. */
function ratioOf(
  run: Run,
  mode: string,
  column: Race["columns"][number],
  limit: Race["columns"][number],
): Spread | undefined {
  const values = run.get(mode)?.get(column);
  const base = run.get(mode)?.get(limit) ?? [];
  return values && spreadOf(values.map((ns, i) => ns / (base[i] ?? Number.NaN)));
}

const cell = (spread: Spread | undefined): string => (spread === undefined ? "" : ratio(spread));
const microseconds = ({ median }: Spread): string => `${(median / 1000).toFixed(2)} µs`;
