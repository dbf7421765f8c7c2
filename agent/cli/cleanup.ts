import { type CommandInput, done, failed } from "./command.ts";
import type { CleanupReport, CliEnv } from "./env.ts";
import { CliError, isAgentDown } from "./error.ts";
import { render } from "./output.ts";

/**
 * `sluice cleanup`: takes the programs and maps of one pin path away. While an agent answers it
 * refuses, unless forced: that agent would go on with nothing to write to.
 */
export async function cleanup(
  { env, paths, output }: CommandInput,
  force: boolean,
): Promise<number> {
  if (!force && (await agentAnswers(env, paths.socketPath))) {
    const message = `an agent answers on ${paths.socketPath}; stop it first, or use --force`;
    throw new CliError("failed", message);
  }
  const report = await env.cleanup(paths.pinPath);
  env.stdout.write(render(output, report, (it) => cleanupText(it, paths.pinPath)));
  for (const { target, message } of report.problems) {
    env.stderr.write(`error: ${target}: ${message}\n`);
  }
  return report.problems.length === 0 ? done : failed;
}

async function agentAnswers(env: CliEnv, socketPath: string): Promise<boolean> {
  try {
    await env.fetchDebug(socketPath, "/v1/status");
    return true;
  } catch (error) {
    if (isAgentDown(error)) return false;
    throw error;
  }
}

function cleanupText({ removed }: CleanupReport, pinPath: string): string {
  if (removed.length === 0) return `nothing to remove at ${pinPath}\n`;
  return removed.map(({ kind, path }) => `removed ${kind} ${path}\n`).join("");
}
