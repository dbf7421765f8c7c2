import { printPacket } from "../packet/print.ts";
import { Disagreement, type Trial } from "../trial.ts";
import type { Sending } from "./conversation.ts";

/**
 * The fewest packets, and the fewest changes to the last of them, that still make program and model
 * disagree: a line each. Where the program picked by chance, that may be all of them.
 */
export function minimise(
  trial: Trial,
  history: readonly Sending[],
  base: Sending,
): readonly string[] {
  let least = history;
  for (let at = history.length - 2; at >= 0; at--) {
    const fewer = least.toSpliced(at, 1);
    if (disagrees(trial, fewer)) least = fewer;
  }
  least = revert(trial, least, base);
  return least.map(
    ({ hook, device, frame, gsoSize }) =>
      `  ${hook} ${device.name}${gsoSize ? ` gso ${gsoSize}` : ""} ${printPacket(frame)}\n    ${Buffer.from(frame).toString("hex")}`,
  );
}

function revert(trial: Trial, history: readonly Sending[], base: Sending): readonly Sending[] {
  let least = history;
  const length = least.at(-1)!.frame.length;
  for (let at = 0; at < Math.min(length, base.frame.length); at++) {
    const last = least.at(-1)!;
    if (last.frame[at] === base.frame[at]) continue;
    const frame = last.frame.with(at, base.frame[at]!);
    const simpler = [...least.slice(0, -1), { ...last, frame }];
    if (disagrees(trial, simpler)) least = simpler;
  }
  return least;
}

/** Whether the last one, and no earlier one, is disagreed upon. */
function disagrees(trial: Trial, history: readonly Sending[]): boolean {
  trial.forget();
  for (const [i, { hook, device, frame, gsoSize }] of history.entries()) {
    try {
      trial.run(hook, device, frame, { gsoSize });
    } catch (error) {
      if (error instanceof Disagreement) return i === history.length - 1;
      throw error;
    }
  }
  return false;
}
