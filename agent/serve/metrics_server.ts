import type { BindAddress } from "../config/parse.ts";
import type { Log } from "../log.ts";
import { type Listener, listen } from "./listener.ts";
import type { Metrics } from "./metrics.ts";
import { handlerOf, type Route, textReply } from "./reply.ts";

export interface MetricsServerOptions {
  readonly address: BindAddress;
  readonly metrics: Pick<Metrics, "text" | "contentType">;
  readonly log: Log;
  readonly retryMs?: number;
}

/** Serves /metrics, and kube-proxy's /healthz ("ok" while it answers) and /proxyMode (KP-42). */
export function serveMetrics({ metrics, ...listener }: MetricsServerOptions): Listener {
  const route: Route = async (path) => {
    if (path === "/healthz") return textReply(200, "ok");
    if (path === "/proxyMode") return textReply(200, "ebpf");
    if (path !== "/metrics") return undefined;
    return { status: 200, type: metrics.contentType, body: await metrics.text() };
  };
  return listen({ name: "metrics", handler: handlerOf(route), ...listener });
}
