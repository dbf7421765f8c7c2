import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import type { FlowReport } from "../../../agent/datapath/flow_report.ts";
import type { AgentStatus } from "../../../agent/serve/dump.ts";
import { until } from "../../harness/until.ts";
import { NODE_NAME } from "./manifests.ts";
import { CGROUP, EXTERNAL_DEVICE, POD_DEVICE } from "./network.ts";

const SLUICE = "/sluice/dist/sluice.mjs";
const HEALTHZ = "127.0.0.1:10256";

/** Starts the agent on a folder of manifests and waits until it says that all is programmed. */
export const startAgent = async (folder: string): Promise<ChildProcess> => {
  const flags = {
    "--source": `directory:${folder}`,
    "--node-name": NODE_NAME,
    "--cgroup-path": CGROUP,
    "--devices": EXTERNAL_DEVICE,
    "--pod-devices": POD_DEVICE,
    "--nodeport-addresses": "primary,localhost",
    "--healthz-bind-address": HEALTHZ,
    "--metrics-bind-address": "off",
  };
  const agent = spawn(process.execPath, [SLUICE, "agent", ...Object.entries(flags).flat()], {
    stdio: "inherit",
  });
  await until(async () => agent.exitCode !== null || (await isHealthy()), {
    deadlineMs: 60_000,
    describe: "the agent to be healthy",
  });
  if (agent.exitCode !== null) throw new Error(`the agent ended with exit code ${agent.exitCode}`);
  return agent;
};

const isHealthy = async (): Promise<boolean> => (await fetch(`http://${HEALTHZ}/healthz`)).ok;

export const agentStatus = (): AgentStatus => JSON.parse(sluice("status", "-o", "json"));

export const flowList = (): readonly FlowReport[] =>
  JSON.parse(sluice("flow", "list", "-o", "json"));

export const cleanUp = (): string => sluice("cleanup");

const sluice = (...args: readonly string[]): string =>
  execFileSync(process.execPath, [SLUICE, ...args]).toString();
