import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import type { AgentStatus } from "../../../agent/serve/dump.ts";
import { until } from "./until.ts";

const SLUICE = process.env.SLUICE_ENTRY ?? "/sluice/dist/sluice.js";
const HEALTHZ = "127.0.0.1:10256";

/** Starts the agent on a folder of manifests and waits until it says that all is programmed. */
export const startAgent = async (folder: string): Promise<ChildProcess> => {
  const agent = spawn(
    process.execPath,
    [SLUICE, "agent", "--source", `directory:${folder}`, "--node-name", "guest"].concat([
      "--healthz-bind-address",
      HEALTHZ,
      "--metrics-bind-address",
      "off",
    ]),
    { stdio: "inherit" },
  );
  await until("the agent is healthy", async () => {
    if (agent.exitCode !== null) throw new Error(`the agent ended with ${agent.exitCode}`);
    return await isHealthy();
  });
  return agent;
};

const isHealthy = async (): Promise<boolean> => {
  try {
    return (await fetch(`http://${HEALTHZ}/healthz`)).ok;
  } catch {
    return false;
  }
};

export const agentStatus = (): AgentStatus =>
  JSON.parse(execFileSync(process.execPath, [SLUICE, "status", "-o", "json"]).toString());
