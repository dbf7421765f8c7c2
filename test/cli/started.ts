import type { AgentStart } from "../../agent/config/resolve.ts";
import type { AgentConfig } from "../../agent/config/settings.ts";
import { type Run, run } from "./fixture.ts";

export interface Started extends Run {
  /** What the agent was to run with; undefined where it did not come to that. */
  readonly config: AgentConfig | undefined;
  /** What it was to say at its start, each with its level. */
  readonly notes: readonly string[];
}

/** Runs `sluice agent` with these flags and, at /c.conf, this file. */
export async function start(
  flags: string,
  text = "",
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const started: { config: AgentConfig; start: AgentStart }[] = [];
  const outcome = await run(`agent ${flags}`, {
    env,
    readFile: (path) => {
      if (path === "/c.conf") return text;
      throw new Error(`ENOENT: no such file or directory, open '${path}'`);
    },
    runAgent: async (config, start) => {
      started.push({ config, start });
      return 0;
    },
  });
  const notes = started[0]?.start.notes ?? [];
  return {
    ...outcome,
    config: started[0]?.config,
    notes: notes.map(({ level, message }) => `${level} ${message}`),
  };
}

/** A KubeProxyConfiguration with these lines. */
export const kubeProxyFile = (...lines: readonly string[]): string =>
  [
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1",
    "kind: KubeProxyConfiguration",
    ...lines,
    "",
  ].join("\n");
