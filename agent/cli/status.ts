import type { ServiceReport } from "../datapath/report.ts";
import type { AgentStatus } from "../serve/dump.ts";
import { type CommandInput, done, failed } from "./command.ts";
import { explain, isAgentMute, type UnreachableCode } from "./error.ts";
import { render } from "./output.ts";
import { refusal } from "./services.ts";
import { statusTable } from "./status_table.ts";
import { fields } from "./table.ts";

/** `sluice status`: how the agent is; where none answers, what the pins hold, and exit code 1. */
export async function status({ env, paths, output }: CommandInput): Promise<number> {
  try {
    const reply = await env.fetchDebug(paths.socketPath, "/v1/status");
    if (reply.status !== 200) throw refusal(reply);
    env.stdout.write(render(output, reply.body as AgentStatus, statusTable));
    return done;
  } catch (error) {
    if (!isAgentMute(error)) throw error;
    const pinned = await env.readPinned(paths.pinPath).then(countPinned, explainPinned);
    const mute = { agent: error.code, reason: error.message, pinPath: paths.pinPath, pinned };
    env.stdout.write(render(output, mute, muteTable));
    return failed;
  }
}

/** What the datapath still does without an agent. */
interface MuteStatus {
  readonly agent: UnreachableCode;
  readonly reason: string;
  readonly pinPath: string;
  readonly pinned: PinnedCounts | { readonly error: string };
}

interface PinnedCounts {
  readonly services: number;
  readonly frontends: number;
  readonly backends: number;
}

function countPinned(services: readonly ServiceReport[]): PinnedCounts {
  const sum = (count: (service: ServiceReport) => number) =>
    services.reduce((total, service) => total + count(service), 0);
  const indices = ({ cluster, local }: ServiceReport) =>
    new Set([...cluster, ...local].map(({ index }) => index));
  return {
    services: services.length,
    frontends: sum(({ frontends }) => frontends.length),
    backends: sum((service) => indices(service).size),
  };
}

function explainPinned(error: unknown): { readonly error: string } {
  return { error: explain(error) };
}

function muteTable({ agent, reason, pinPath, pinned }: MuteStatus): string {
  const held =
    "error" in pinned
      ? `cannot be read: ${pinned.error}`
      : `${pinned.services} Service ports, ${pinned.frontends} frontends, ${pinned.backends} backends`;
  return fields([
    ["Agent", `${agent}: ${reason}`],
    [`Pins in ${pinPath}`, held],
  ]);
}
