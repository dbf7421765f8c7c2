import type { AgentConfig } from "../config/settings.ts";
import type { CliEnv } from "./env.ts";
import type { OutputFormat } from "./output.ts";

/** What a command that talks to the agent or its pins was given. */
export interface CommandInput {
  readonly env: CliEnv;
  readonly paths: Paths;
  readonly output: OutputFormat;
}

export type Paths = Pick<AgentConfig, "socketPath" | "pinPath">;

export const done = 0;
export const failed = 1;
export const wrongUsage = 2;
