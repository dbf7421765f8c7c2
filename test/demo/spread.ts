import { type Attempt, attempt, type Target } from "../harness/load.ts";
import { microseconds, type Page } from "./page.ts";
import { addressText, directTo, type Stage, targetsOf, web } from "./stage.ts";

const rounds = 9;
const requestsPerRound = 60;
/** The first requests of a process find cold caches. */
const warmUp = 10;
/** Many times what a round takes where requests are answered. */
const longestRoundMs = 3_000;

interface Measured {
  readonly target: Target;
  readonly answered: ReadonlyMap<string, number>;
  readonly failed: number;
  readonly directNs: number;
  readonly clusterIpNs: number;
  /** Median over the rounds, each of which compares what was measured within milliseconds. */
  readonly ratio: number;
}

/** Who answers at the ClusterIP, and what going there costs beside going to the pod itself. */
export async function showSpread(stage: Stage, page: Page): Promise<void> {
  page.title("1. Requests to the ClusterIP, each from a new socket");
  const measured: Measured[] = [];
  for (const target of targetsOf(web)) measured.push(await measure(stage, target));
  const names = stage.backends.map(({ name }) => name);
  page.table(
    [
      ...["ADDRESS", "PROTOCOL", ...names.map((name) => name.toUpperCase())],
      ...["FAILED", "POD ITSELF", "CLUSTERIP", "RATIO"],
    ],
    measured.map(({ target, answered, failed, directNs, clusterIpNs, ratio }) => [
      addressText(target),
      target.protocol.toUpperCase(),
      ...names.map((name) => `${answered.get(name) ?? 0}`),
      `${failed}`,
      microseconds(directNs),
      microseconds(clusterIpNs),
      ratio.toFixed(2),
    ]),
  );
  page.say(
    "",
    "POD ITSELF and CLUSTERIP: median time from before connect() to the answer, taken in turns.",
    "RATIO: median of the turns' ratios. Figures of a demo; `npm run bench` measures properly.",
  );
  check(measured, names);
}

async function measure({ client, backends }: Stage, target: Target): Promise<Measured> {
  const options = {
    count: requestsPerRound + warmUp,
    timeoutMs: 1_000,
    durationMs: longestRoundMs,
  };
  const direct: number[] = [];
  const byClusterIp: number[] = [];
  const attempts: Attempt[] = [];
  for (let round = 0; round < rounds; round++) {
    const pod = backends[round % backends.length];
    if (pod === undefined) throw new Error("there are no backends");
    direct.push(medianAnswerNs(await attempt(client, directTo(pod, target), options)));
    const through = await attempt(client, target, options);
    byClusterIp.push(medianAnswerNs(through));
    attempts.push(...through);
    if (through.some(({ ok }) => !ok)) break;
  }
  return {
    target,
    answered: countBackends(attempts),
    failed: attempts.filter(({ ok }) => !ok).length,
    directNs: median(direct),
    clusterIpNs: median(byClusterIp),
    ratio: median(byClusterIp.map((ns, round) => ns / (direct[round] ?? Number.NaN))),
  };
}

const medianAnswerNs = (attempts: readonly Attempt[]): number =>
  median(attempts.slice(warmUp).map(({ answerNs }) => answerNs));

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** How often each backend answered. */
export function countBackends(attempts: readonly Attempt[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const each of attempts) {
    if (each.ok) counts.set(each.backend, (counts.get(each.backend) ?? 0) + 1);
  }
  return counts;
}

function check(measured: readonly Measured[], names: readonly string[]): void {
  for (const { target, answered, failed } of measured) {
    const where = `${addressText(target)} over ${target.protocol.toUpperCase()}`;
    if (failed > 0) throw new Error(`${failed} requests to ${where} failed`);
    const silent = names.filter((name) => !answered.has(name));
    if (silent.length > 0) throw new Error(`${silent.join(", ")} answered nothing at ${where}`);
  }
}
