import { setTimeout } from "node:timers/promises";

/** Waits for a condition; throws, naming it, when the deadline passes or `holds` throws. */
export const until = async (
  condition: string,
  holds: () => Promise<boolean>,
  deadlineMs = 20_000,
): Promise<void> => {
  const end = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${condition}`);
    await setTimeout(50);
  }
};
