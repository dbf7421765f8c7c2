import { setTimeout } from "node:timers/promises";

/** Until the condition holds; fails after the deadline. */
export async function until(what: string, condition: () => boolean, deadlineMs = 10_000) {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await setTimeout(2);
  }
}
