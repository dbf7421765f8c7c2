import type { CliEnv, DebugReply } from "../../agent/cli/env.ts";
import { AgentUnreachable } from "../../agent/cli/error.ts";
import { runCli } from "../../agent/cli/main.ts";
import { flows, services, status, web4, web6 } from "../serve/fixture.ts";

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** What was done outside the process, in order. */
  readonly calls: readonly string[];
}

const answers: Readonly<Record<string, unknown>> = {
  "/v1/status": status,
  "/v1/services": services,
  "/v1/services/shop/web": [web4, web6],
};

/** An agent that answers with the fixture. */
export const up = async (_: string, path: string): Promise<DebugReply> =>
  path in answers ? { status: 200, body: answers[path] } : { status: 404, body: {} };

/** No agent at all. */
export const down = (socketPath: string): Promise<DebugReply> =>
  Promise.reject(new AgentUnreachable("down", socketPath, new Error("connect ENOENT")));

/** Runs a command with nothing real behind it but what `given` says. */
export async function run(command: string, given: Partial<CliEnv> = {}): Promise<Run> {
  let out = "";
  let err = "";
  const calls: string[] = [];
  const env: CliEnv = {
    argv: command.split(" ").filter((word) => word !== ""),
    env: {},
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    version: "1.2.3",
    readFile: () => {
      throw new Error("ENOENT: no such file");
    },
    writeFile: (path, text) => calls.push(`write ${path}\n${text}`),
    fetchDebug: up,
    readPinned: async (path) => {
      calls.push(`read pins ${path}`);
      return services;
    },
    listFlows: async (path, query) => {
      calls.push(`list flows ${path} ${JSON.stringify(query)}`);
      return { flows, matched: flows.length };
    },
    runAgent: async () => 0,
    cleanup: async (path) => {
      calls.push(`clean up ${path}`);
      return { removed: [], problems: [] };
    },
    ...given,
  };
  const code = await runCli(env);
  return { code, out, err, calls };
}
