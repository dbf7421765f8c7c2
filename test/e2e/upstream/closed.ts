import { attempt, type Site, type Target } from "../../harness/load.ts";
import { until } from "../../harness/until.ts";

/** Long for a reply within one machine, and short for one that never comes. */
const timeoutMs = 700;

/** Resolves once nobody answers any of these ways: each is refused, dropped or leads nowhere. */
export async function isClosed(from: Site, ways: readonly Target[]): Promise<void> {
  const ask = async (to: Target) => {
    const [first] = await attempt(from, to, { timeoutMs });
    return first?.ok ? first.backend : undefined;
  };
  let answers: readonly (string | undefined)[] = [];
  await until(
    async () => {
      answers = await Promise.all(ways.map(ask));
      return answers.every((each) => each === undefined);
    },
    {
      deadlineMs: 20_000,
      describe: () => `nobody to answer ${ways.map(({ address }) => address)}; there is ${answers}`,
    },
  );
}
