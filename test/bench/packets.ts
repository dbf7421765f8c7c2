import { command } from "../harness/command.ts";
import { sweep } from "../harness/leftovers.ts";
import { Rig } from "../packets/rig/rig.ts";
import { PacketBench, type PacketCost } from "./packets_bench.ts";
import { configuration } from "./packets_cases.ts";
import { Replay } from "./replay.ts";
import type { Spread } from "./statistics.ts";
import { printTable } from "./table.ts";

/** Entries of the table, two a flow; as the agent has it. */
const ENTRIES = 131_072;
/** One that holds 200,000 entries and half as many again. */
const LARGE = 300_000;
const COLD_FLOWS = 100_000;
const CPU = 0;

/** What the shipped programs cost a packet, by BPF_PROG_RUN. */
export async function benchPackets(): Promise<void> {
  await sweep();
  await command("make", ["-s", "-C", import.meta.dirname]);
  await command("taskset", ["-cp", `${CPU}`, `${process.pid}`]);
  using replay = new Replay();
  const costs = await withTable(replay, ENTRIES, (bench) => [
    ...bench.established(),
    ...bench.opening(),
    ...bench.evicting(ENTRIES / 2),
    ...bench.unrelated(),
  ]);
  const cold = await withTable(replay, LARGE, (bench) => [...bench.cold(COLD_FLOWS)]);
  print([...costs, ...cold], replay.emptyNs());
}

async function withTable(
  replay: Replay,
  entries: number,
  measure: (bench: PacketBench) => readonly PacketCost[],
): Promise<readonly PacketCost[]> {
  await using rig = await Rig.create({ maxEntries: { flows: entries } });
  rig.configure(configuration);
  return rig.inside(() => measure(new PacketBench(rig, replay)));
}

function print(costs: readonly PacketCost[], empty: Spread): void {
  console.log(`The shipped programs by BPF_PROG_RUN, ns a packet; medians (quartiles).
"in a row": what a run adds to that of an empty program, over thousands of packets.
"single": one packet a system call, as the kernel tells it; an empty program takes ${nanoseconds(empty)}.
`);
  const rows = costs.map(({ name, inRow, single, bar }) => [
    name,
    nanoseconds(inRow),
    single === undefined ? "" : nanoseconds(single),
    bar === undefined ? "" : `${bar}`,
  ]);
  printTable(["PACKET", "IN A ROW", "SINGLE", "BAR"], rows);
}

const nanoseconds = ({ median, lower, upper }: Spread): string =>
  `${median.toFixed(0)} (${lower.toFixed(0)}-${upper.toFixed(0)})`;
