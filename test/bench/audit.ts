import { Auditor } from "../../agent/reconcile/auditor.ts";
import { keyOfText } from "../../agent/reconcile/frontend_text.ts";
import { defaultLoopSettings, Loop } from "../../agent/reconcile/loop.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { systemScheduler } from "../../agent/reconcile/scheduler.ts";
import { until } from "../harness/until.ts";
import { ScaleCluster } from "./scale_cluster.ts";
import { ScaleMaps } from "./scale_maps.ts";
import { ENDPOINTS } from "./scale_objects.ts";
import { at, type Spread, spreadOf } from "./statistics.ts";
import { printTable } from "./table.ts";

const SERVICES = 10_000;
const RUNS = 9;
const DEADLINE_MS = 60_000;

/** Milliseconds of the main thread's processor time, which is told apart from what others take. */
const cpu = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** What an audit costs that finds nothing, how long it keeps others waiting, and what a find costs (KP-54). */
export async function benchAudit(): Promise<void> {
  await using filled = await ScaleMaps.create();
  const { maps } = filled.datapath;
  const reconciler = await Reconciler.adopt(maps);
  const loop = new Loop(reconciler, systemScheduler, {
    ...defaultLoopSettings,
    nodeName: "worker-0",
  });
  loop.handle(new ScaleCluster(SERVICES).first());
  await until(() => loop.status().ready, { deadlineMs: DEADLINE_MS, describe: "the first sync" });
  const quiet: Turns[] = [];
  const mending: Turns[] = [];
  for (let run = 0; run < RUNS; run++) {
    quiet.push(await audited(loop));
    maps.frontends.delete([keyOfText("10.96.0.1:80/TCP")]);
    mending.push(await audited(loop));
    await reconciler.reclaimed();
  }
  print(quiet, mending);
}

interface Turns {
  /** Of the whole audit. */
  readonly whole: number;
  /** Of turns of the event loop: the longest but for one in a hundred, and the longest. */
  readonly usual: number;
  readonly longest: number;
}

async function audited(loop: Loop): Promise<Turns> {
  const turns: number[] = [];
  let last = cpu();
  let isOver = false;
  const turn = () => {
    const now = cpu();
    turns.push(now - last);
    last = now;
    if (!isOver) setImmediate(turn);
  };
  const auditor = new Auditor({
    loop,
    others: [],
    scheduler: systemScheduler,
    periodMilliseconds: 0,
    onRepairs: () => {},
    onFailure: (error) => {
      throw error;
    },
  });
  setImmediate(turn);
  auditor.start();
  await until(() => auditor.counts.audits > 0, { deadlineMs: DEADLINE_MS, describe: "an audit" });
  auditor.stop();
  // What ended the audit is a turn, too.
  await new Promise((resolve) => setImmediate(resolve));
  isOver = true;
  const sorted = turns.toSorted((a, b) => a - b);
  const whole = turns.reduce((sum, each) => sum + each, 0);
  return { whole, usual: at(sorted, 0.99), longest: at(sorted, 1) };
}

function print(quiet: readonly Turns[], mending: readonly Turns[]): void {
  console.log(`
Audits of ${SERVICES} Services of ${ENDPOINTS} endpoints in real maps: processor time of the main thread,
medians (quartiles) of ${RUNS} runs; with what the measuring itself takes.
`);
  const row = (title: string, turns: readonly Turns[], of: (each: Turns) => number) => [
    title,
    shown(spreadOf(turns.map(of))),
  ];
  printTable(
    ["PART", "MEDIAN (QUARTILES)"],
    [
      row("an audit that finds nothing", quiet, ({ whole }) => whole),
      row("its turns of the event loop, p99", quiet, ({ usual }) => usual),
      row("the longest of them, with a garbage collection", quiet, ({ longest }) => longest),
      row("an audit that mends one frontend", mending, ({ whole }) => whole),
      row("its longest turn of the event loop", mending, ({ longest }) => longest),
    ],
  );
}

const shown = ({ median, lower, upper }: Spread): string =>
  `${median.toFixed(1)} ms (${lower.toFixed(1)}-${upper.toFixed(1)})`;
