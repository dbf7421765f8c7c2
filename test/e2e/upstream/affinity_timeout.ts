import { type Attempt, attempt, type Site, startLoad, type Target } from "../../harness/load.ts";
import { until } from "../../harness/until.ts";

const deadlineMs = 60_000;
/** As many as convince upstream that it was no chance. */
const wanted = 15;

/**
 * Resolves once so many connections in a row, each within half the timeout of the one before, have
 * been answered by one pod; fails as soon as another one answers.
 */
export async function remembers(from: Site, to: Target, timeoutSeconds: number): Promise<void> {
  const nearNs = (timeoutSeconds * 1e9) / 2;
  await until(
    async () => {
      const attempts = await attempt(from, to, { count: 3 * wanted });
      const near = pairs(attempts).filter(([last, next]) => next.at - last.at < nearNs);
      const strayed = near.find(([last, next]) => backendOf(last) !== backendOf(next));
      if (strayed !== undefined) throw new Error(`affinity broke: ${JSON.stringify(strayed)}`);
      return near.length >= wanted;
    },
    { deadlineMs, describe: `${to.address} ${to.port} to answer from one pod` },
  );
}

/**
 * Resolves once a second pod has answered a client that pauses for longer than the timeout before
 * each of its connections.
 */
export async function forgets(from: Site, to: Target, timeoutSeconds: number): Promise<void> {
  const load = await startLoad(from, to, { gapUs: timeoutSeconds * 1.1e6 });
  await until(() => new Set(load.attempts.map(backendOf)).size > 1, {
    deadlineMs,
    describe: `${to.address} ${to.port} to answer from another pod after ${timeoutSeconds} s`,
  });
  await load.stop();
}

const pairs = (attempts: readonly Attempt[]): readonly (readonly [Attempt, Attempt])[] =>
  attempts.slice(1).map((next, index) => [attempts[index] ?? next, next]);

const backendOf = (each: Attempt): string => (each.ok ? each.backend : each.errno);
