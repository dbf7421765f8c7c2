import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish } from "../harness/child.ts";
import { command } from "../harness/command.ts";
import { ownPrefix, sweep } from "../harness/leftovers.ts";
import type { Targets } from "./north_south_node.ts";
import { SERVICES } from "./north_south_objects.ts";
import { NorthSouthStage, type Translation } from "./north_south_stage.ts";
import { ratio, type Spread, spreadOf } from "./statistics.ts";
import { printTable } from "./table.ts";

const RUNS = 2;
const BACKGROUND_CPU = 1;

/** Operations in a turn: few, so that the sides alternate faster than the machine drifts. */
const modes = [
  { name: "crr", title: "connect-request-response", rounds: 600, operations: 100, bar: 1.03 },
  { name: "tcp_rr", title: "TCP request-response", rounds: 600, operations: 400, bar: 1.02 },
  { name: "udp_rr", title: "UDP request-response", rounds: 600, operations: 400, bar: 1.02 },
  { name: "packets", title: "UDP packets one way", rounds: 400, operations: 4000, bar: undefined },
  { name: "stream", title: "TCP stream, 256 KB", rounds: 300, operations: 20, bar: undefined },
] as const;

type Mode = (typeof modes)[number];

/** Packets per second of the flood, of those that nftables brings through. */
const PACKET_RATE_BAR = 1.25;

const columns = [
  { title: "PLAIN", translation: "none", any: false },
  { title: "SLUICE", translation: "sluice", any: false },
  { title: "ANY SERVICE", translation: "sluice", any: true },
  { title: "FAST PATH OFF", translation: "sluice-stack", any: false },
  { title: "NFTABLES", translation: "nftables", any: false },
  { title: "IPTABLES", translation: "iptables", any: false },
] as const;

type Column = (typeof columns)[number];

/** ns per operation of each round, by column; a column that makes no difference has none. */
type Rounds = ReadonlyMap<Column, readonly number[]>;

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
    await stage.build([...new Set(columns.map(({ translation }) => translation))]);
    const runs: Map<Mode, Rounds>[] = [];
    for (let i = 0; i < RUNS; i++) {
      const run = new Map<Mode, Rounds>();
      for (const mode of modes) run.set(mode, await measure(stage, mode));
      runs.push(run);
    }
    await printConditions(stage);
    print(runs);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(stage: NorthSouthStage, mode: Mode): Promise<Rounds> {
  const isFlood = mode.name === "packets" || mode.name === "stream";
  const measured = columns.filter(({ any }) => !(any && isFlood));
  const files = measured.map(({ translation, any }) => {
    const { one, any: all, sink } = targetsOf(stage, translation);
    if (isFlood) return sink;
    return any ? all : one;
  });
  const { rounds, operations } = mode;
  const { code, stdout, stderr } = await finish(
    stage.client(mode.name, rounds, operations, files),
    300_000,
  );
  if (code !== 0) throw new Error(`${mode.name}: ${stderr}`);
  const lines = stdout.trim().split("\n");
  const values = lines.map((line) => line.split(" ").map(Number));
  return new Map(measured.map((column, i) => [column, values.map((ns) => ns[i] ?? Number.NaN)]));
}

function targetsOf(stage: NorthSouthStage, translation: Translation): Targets {
  const side = stage.sides.get(translation);
  if (side === undefined) throw new Error(`${translation} was not built`);
  return side.targets;
}

/** Of one column to another, round by round. */
function over(rounds: Rounds, column: Column, limit: Column): Spread | undefined {
  const base = rounds.get(limit) ?? [];
  const values = rounds.get(column);
  return values && spreadOf(values.map((ns, i) => ns / (base[i] ?? Number.NaN)));
}

async function printConditions(stage: NorthSouthStage): Promise<void> {
  const counts: string[] = [];
  for (const { translation, node } of stage.sides.values()) {
    const entries = await node.conntrackEntries();
    counts.push(`${translation} ${entries > 0 ? `on (${entries} entries)` : "off"}`);
  }
  console.log(`A NodePort against the pod's own address, from a client outside of the node; IPv4.
${SERVICES} Services with a TCP and a UDP port and 4 endpoints each, which are on the node; externalTrafficPolicy Cluster.
Client, node and pod are network namespaces, joined by veth pairs. Client and echo share a CPU; the sink has the other.
netfilter's conntrack in the node's namespace: ${counts.join(", ")}.
Ratios: medians of pairs (quartiles) over interleaved rounds, time per operation against plain forwarding.
"any": a random one of all Services each time, otherwise always the same.
`);
}

function print(runs: readonly Map<Mode, Rounds>[]): void {
  const rows = modes.flatMap((mode) => runs.map((run, i) => timeRow(mode, run, i)));
  const rates = runs.map((run, i) => rateRow(run, i));
  printTable(
    ["OPERATION", "RUN", ...columns.map(({ title }) => title), "BAR"],
    [...rows, ...rates],
  );
}

const [plain] = columns;
const nftables = columns[4];

function timeRow(mode: Mode, run: ReadonlyMap<Mode, Rounds>, i: number): string[] {
  const rounds = roundsOf(run, mode);
  const cells = columns.map((column) => {
    if (column === plain) return microseconds(spreadOf(rounds.get(plain) ?? []));
    return cell(over(rounds, column, plain));
  });
  return [i === 0 ? mode.title : "", `${i + 1}`, ...cells, i === 0 ? `${mode.bar ?? ""}` : ""];
}

function rateRow(run: ReadonlyMap<Mode, Rounds>, i: number): string[] {
  const rounds = roundsOf(run, modes[3]);
  const cells = columns.map((column) => cell(over(rounds, nftables, column)));
  const title = i === 0 ? "  per second, of nftables" : "";
  const [first, sluice, ...others] = cells;
  return [
    title,
    `${i + 1}`,
    first ?? "",
    sluice ?? "",
    ...others,
    i === 0 ? `${PACKET_RATE_BAR}` : "",
  ];
}

function roundsOf(run: ReadonlyMap<Mode, Rounds>, mode: Mode): Rounds {
  const rounds = run.get(mode);
  if (rounds === undefined) throw new Error(`${mode.name} was not measured`);
  return rounds;
}

const cell = (spread: Spread | undefined): string => (spread === undefined ? "" : ratio(spread));
const microseconds = ({ median }: Spread): string => `${(median / 1000).toFixed(2)} µs`;
