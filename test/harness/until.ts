export interface UntilOptions {
  readonly deadlineMs: number;
  /** What is being waited for, as it reads after "gave up waiting for". */
  readonly describe: string | (() => string);
}

const firstPauseMs = 1;
const longestPauseMs = 100;

/**
 * Resolves with the condition's first truthy value. A condition that throws is not fulfilled yet;
 * its last error becomes the failure's cause. Looks again after a pause that doubles up to 100 ms.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { deadlineMs, describe }: UntilOptions,
): Promise<Exclude<Awaited<T>, undefined | null | false | 0 | "">> {
  const deadline = performance.now() + deadlineMs;
  let cause: unknown;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const value = await condition();
      if (value) return value as Exclude<Awaited<T>, undefined | null | false | 0 | "">;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) throw new DeadlineError(describe, deadlineMs, cause);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

export class DeadlineError extends Error {
  constructor(describe: UntilOptions["describe"], deadlineMs: number, cause: unknown) {
    const what = typeof describe === "string" ? describe : describe();
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    super(`gave up waiting for ${what} after ${deadlineMs} ms${why}`, { cause });
    this.name = "DeadlineError";
  }
}
