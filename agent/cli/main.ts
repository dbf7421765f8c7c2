import { CommanderError } from "commander";
import { isConfigError } from "../config/error.ts";
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
    env.stderr.write(`error: ${redactText(explain(error))}\n`);
    return exitCodeOf(error);
  }
}

function exitCodeOf(error: unknown): number {
  const usage = isConfigError(error) || (error instanceof CliError && error.code === "usage");
  return usage ? wrongUsage : failed;
}
