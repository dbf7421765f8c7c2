import { CommanderError } from "commander";
import { isConfigError, isInvalidConfig } from "../config/error.ts";
import { redactText } from "../log/redact.ts";
import { done, failed, wrongUsage } from "./command.ts";
import type { CliEnv } from "./env.ts";
import { CliError, explain } from "./error.ts";
import { createProgram } from "./program.ts";

/** Runs one command. The exit code: 0 done, 1 failed, 2 wrong usage. */
export async function runCli(env: CliEnv): Promise<number> {
  let exitCode = done as number;
  const program = createProgram(env, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...env.argv], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has said already what is wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? done : wrongUsage;
    for (const line of linesOf(error)) env.stderr.write(`${redactText(line)}\n`);
    return exitCodeOf(error);
  }
}

function linesOf(error: unknown): string[] {
  if (!isInvalidConfig(error)) return [`error: ${explain(error)}`];
  const warnings = error.warnings.map((warning) => `warning: ${warning}`);
  return [...warnings, ...error.errors.map((each) => `error: ${each.message}`)];
}

function exitCodeOf(error: unknown): number {
  const isConfig = isConfigError(error) || isInvalidConfig(error);
  const usage = isConfig || (error instanceof CliError && error.code === "usage");
  return usage ? wrongUsage : failed;
}
