export type CliErrorCode = "usage" | "failed";

/** What the command tells before it ends: exit code 2 for wrong usage, 1 for a failure. */
export class CliError extends Error {
  readonly operation = "command";
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "CliError";
    this.code = code;
  }
}

/** "down": nobody listens; "silent": somebody does, but gives no answer; "forbidden": as it says. */
export type UnreachableCode = "down" | "silent" | "forbidden";

/** The agent could not be asked. */
export class AgentUnreachable extends Error {
  readonly operation = "ask agent";
  readonly code: UnreachableCode;
  readonly target: string;

  constructor(code: UnreachableCode, target: string, cause?: unknown) {
    super(reasons[code](target), { cause });
    this.name = "AgentUnreachable";
    this.code = code;
    this.target = target;
  }
}

const reasons = {
  down: (target: string) => `no agent answers on ${target}`,
  silent: (target: string) => `the agent on ${target} takes questions but does not answer`,
  forbidden: (target: string) =>
    `the agent's socket ${target} may not be opened; run as the agent's user`,
} as const;

export function isAgentDown(error: unknown): error is AgentUnreachable {
  return error instanceof AgentUnreachable && error.code === "down";
}

/** Only the pins can tell now. */
export function isAgentMute(error: unknown): error is AgentUnreachable {
  return error instanceof AgentUnreachable && error.code !== "forbidden";
}

/** An error with its causes, for people: one line. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : explain(error.cause);
  return cause === "" || error.message.includes(cause)
    ? error.message
    : `${error.message}: ${cause}`;
}
