import { collectDefaultMetrics, Registry } from "prom-client";
import type { AgentView } from "./dump.ts";
import { createStatusMetrics } from "./status_metrics.ts";
import { createSyncMetrics, type SyncRecorder } from "./sync_metrics.ts";
import { trafficText } from "./traffic_metrics.ts";

export interface Metrics {
  /** Told by the publishing loop and the health server. */
  readonly record: SyncRecorder;
  /** Every metric in the Prometheus text format, read afresh. */
  text(): Promise<string>;
  readonly contentType: string;
}

/**
 * The agent's metrics: kube-proxy's names (KP-60), the process's, and `sluice_` ones. What the view
 * tells is read on each scrape and costs nothing between.
 */
export function createMetrics(view: Pick<AgentView, "status" | "traffic">): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const record = createSyncMetrics(registry);
  const update = createStatusMetrics(registry);
  return {
    record,
    contentType: registry.contentType,
    text: async () => {
      update(view.status());
      return `${await registry.metrics()}\n${trafficText(view.traffic())}`;
    },
  };
}
