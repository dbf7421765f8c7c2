import type { AgentConfig } from "./config/settings.ts";
import type { Log } from "./log.ts";
import { DirectorySource } from "./sources/directory/source.ts";
import { KubernetesSource } from "./sources/kubernetes/source.ts";
import type { Source } from "./sources/source.ts";

/** The source that the settings name. */
export function sourceOf(config: AgentConfig, log: Log): Source {
  const { source, nodeName, kubeconfig, server } = config;
  const report = (problem: { readonly target: string; readonly message: string }): void =>
    log.warn(problem.message, { target: problem.target });
  if (source.kind === "directory") {
    return new DirectorySource({ folder: source.path, nodeName, report });
  }
  return new KubernetesSource({ nodeName, kubeconfig, server, report });
}
