import type { AgentConfig } from "./config/settings.ts";
import { KubernetesEventApi } from "./events/event_api.ts";
import { EventRecorder } from "./events/recorder.ts";
import type { Log } from "./log.ts";
import { HttpTransport } from "./sources/kubernetes/transport.ts";

/** Where events go; undefined: a folder takes none. */
export function eventsOf(config: AgentConfig, log: Log): EventRecorder | undefined {
  const { source, nodeName, kubeconfig, server } = config;
  if (source.kind !== "kubernetes") return undefined;
  const transport = new HttpTransport({ kubeconfig, server });
  const api = new KubernetesEventApi(transport, nodeName);
  return new EventRecorder({ api, warn: (message) => log.warn(message) });
}
