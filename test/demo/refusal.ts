import { attempt, type Target } from "../harness/load.ts";
import { microseconds, type Page } from "./page.ts";
import { addressText, idle, type Stage, targetsOf } from "./stage.ts";

/** A Service that nobody stands behind says so at once. */
export async function showRefusal({ client }: Stage, page: Page): Promise<void> {
  page.title("3. Service demo/idle has no endpoints: a client hears it at once, not by a timeout");
  const outcomes = [];
  for (const target of targetsOf(idle)) {
    const [outcome] = await attempt(client, target);
    if (outcome === undefined || outcome.ok) throw new Error(`${addressText(target)} was answered`);
    outcomes.push({ target, outcome });
  }
  page.table(
    ["ADDRESS", "PROTOCOL", "CONNECT() SAYS", "AFTER"],
    outcomes.map(({ target, outcome }) => [
      addressText(target),
      target.protocol.toUpperCase(),
      outcome.errno,
      microseconds(outcome.answerNs),
    ]),
  );
  const slow = outcomes.find(({ outcome }) => outcome.errno !== "ECONNREFUSED");
  if (slow !== undefined) throw new Error(`${where(slow.target)} was not refused`);
}

const where = (target: Target): string => `${addressText(target)} over ${target.protocol}`;
