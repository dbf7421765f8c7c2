import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownPrefix } from "../harness/leftovers.ts";
import { install, type Memory, ScaleAgent } from "./scale_agent.ts";
import { ScaleApi } from "./scale_api.ts";
import { benchChanges } from "./scale_changes.ts";
import { ENDPOINTS } from "./scale_objects.ts";
import { benchWrites } from "./scale_writes.ts";
import { at, type Spread, spreadOf } from "./statistics.ts";
import { printTable } from "./table.ts";

const SERVICES = 10_000;
const NODE = "worker-0";
const RUNS = 3;
const CHANGES = 2_000;
const PAUSE_MS = 1;

interface Run {
  readonly startedWith: string;
  readonly syncSeconds: number;
  readonly startSeconds: number;
  readonly cpuSeconds: number;
  readonly settled: Memory;
  readonly changed: Memory;
  readonly publishP50: number;
  readonly publishP99: number;
  readonly endToEndP50: number;
  readonly endToEndP99: number;
}

/** What 10,000 Services of 10 endpoints cost the agent: to begin with, to hold, and per change. */
export async function benchScale(): Promise<void> {
  await benchAgent();
  await benchWrites();
  await benchChanges();
}

async function benchAgent(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}scale-`));
  try {
    const launcher = await install(folder);
    using api = await ScaleApi.start(SERVICES, NODE);
    const runs: Run[] = [];
    for (let i = 0; i < RUNS; i++) runs.push(await runOnce(launcher, api));
    printRuns(runs, api.bytes);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runOnce(launcher: string, api: ScaleApi): Promise<Run> {
  await using agent = await ScaleAgent.start(launcher, api.url, NODE);
  const readyAt = await agent.ready();
  const firstRequestAt = await api.firstRequestAt();
  const cpuSeconds = await agent.cpuSeconds();
  const settled = await agent.settledMemory();
  const endToEnd = (await api.change(CHANGES, PAUSE_MS, agent.pinPath)).toSorted((a, b) => a - b);
  const { publishLatency } = (await agent.status()).sync;
  return {
    startedWith: await agent.startedWith(),
    syncSeconds: (readyAt - firstRequestAt) / 1000,
    startSeconds: (readyAt - agent.startedAt) / 1000,
    cpuSeconds,
    settled,
    changed: await agent.memory(),
    publishP50: publishLatency.p50Microseconds,
    publishP99: publishLatency.p99Microseconds,
    endToEndP50: at(endToEnd, 0.5),
    endToEndP99: at(endToEnd, 0.99),
  };
}

function printRuns(runs: readonly Run[], bytes: number): void {
  console.log(`The bundled agent with ${SERVICES} Services of ${ENDPOINTS} endpoints, ${(bytes / 1e6).toFixed(1)} MB of JSON; medians
(quartiles) of ${runs.length} starts on empty maps. Then ${CHANGES} changes of one endpoint each, ${PAUSE_MS} ms apart.
Started with ${runs[0]?.startedWith ?? "?"}
`);
  const row = (title: string, unit: string, of: (run: Run) => number, digits: number, bar = "") => [
    title,
    `${shown(spreadOf(runs.map(of)), digits)} ${unit}`,
    bar,
  ];
  const memory = (title: string, of: (run: Run) => Memory, bar: string) => [
    row(`resident ${title}`, "MB", (run) => of(run).resident, 1, bar),
    row("  anonymous memory", "MB", (run) => of(run).anonymous, 1),
    row("  files, Node's own code above all", "MB", (run) => of(run).files - of(run).maps, 1),
    row("  mapped arrays, which the kernel holds anyway", "MB", (run) => of(run).maps, 1),
  ];
  printTable(
    ["MEASURED", "MEDIAN (QUARTILES)", "BAR"],
    [
      row("first request to all published", "s", (run) => run.syncSeconds, 2, "3"),
      row("process start to all published", "s", (run) => run.startSeconds, 2),
      row("CPU until then, all threads", "s", (run) => run.cpuSeconds, 2),
      ...memory("when settled", (run) => run.settled, "130"),
      row("resident right after the changes", "MB", (run) => run.changed.resident, 1),
      row("peak", "MB", (run) => run.changed.peak, 1),
      row("parsed event to published, p50", "µs", (run) => run.publishP50, 0),
      row("parsed event to published, p99", "µs", (run) => run.publishP99, 0, "1000"),
      row("server's write to visible in the map, p50", "µs", (run) => run.endToEndP50, 0),
      row("server's write to visible in the map, p99", "µs", (run) => run.endToEndP99, 0),
    ],
  );
}

const shown = ({ median, lower, upper }: Spread, digits: number): string =>
  `${median.toFixed(digits)} (${lower.toFixed(digits)}-${upper.toFixed(digits)})`;
