import type { AgentStart } from "../config/resolve.ts";
import type { AgentConfig } from "../config/settings.ts";
import type { FlowListing, FlowQuery } from "../datapath/flow_list.ts";
import type { ServiceReport } from "../datapath/report.ts";

/** Everything outside the process that a command touches. */
export interface CliEnv {
  /** What was typed after the command's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly version: string;
  readonly readFile: (path: string) => string;
  /** Asks the agent on a socket; rejects with `AgentUnreachable` where none answers. */
  readonly fetchDebug: (socketPath: string, path: string) => Promise<DebugReply>;
  /** Every Service port that the pinned maps hold. */
  readonly readPinned: (pinPath: string) => Promise<readonly ServiceReport[]>;
  /** The flows that the pinned maps hold. */
  readonly listFlows: (pinPath: string, query: FlowQuery) => Promise<FlowListing>;
  readonly writeFile: (path: string, text: string) => void;
  /** Runs the agent until it is told to stop, and gives its exit code. */
  readonly runAgent: (config: AgentConfig, start: AgentStart) => Promise<number>;
  /** Detaches the programs and removes the pins. */
  readonly cleanup: (pinPath: string) => Promise<CleanupReport>;
}

export interface CliOutput {
  write(text: string): unknown;
}

export interface DebugReply {
  readonly status: number;
  readonly body: unknown;
}

/** What a clean-up removed, in order, and what it could not. */
export interface CleanupReport {
  readonly removed: readonly CleanedItem[];
  readonly problems: readonly { readonly target: string; readonly message: string }[];
}

export interface CleanedItem {
  readonly kind: "link" | "program" | "map" | "directory" | "file";
  readonly path: string;
}
