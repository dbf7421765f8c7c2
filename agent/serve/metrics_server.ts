import type { BindAddress } from "../config/parse.ts";
import { isSecretName, redacted, redactText } from "../log/redact.ts";
import type { Log } from "../log.ts";
import { type Listener, listen } from "./listener.ts";
import type { Metrics } from "./metrics.ts";
import { handlerOf, jsonReply, type Route, textReply } from "./reply.ts";

export interface MetricsServerOptions {
  readonly address: BindAddress;
  readonly metrics: Pick<Metrics, "text" | "contentType">;
  /** The resolved settings; what looks like a secret is not shown. */
  readonly config: object;
  readonly log: Log;
  readonly retryMs?: number;
}

/**
 * Serves /metrics, and what kube-proxy serves beside it (KP-42): /healthz, "ok" while it answers;
 * /configz, the settings as JSON under their group's name, null for those that are not set; and
 * /proxyMode. kube-proxy says "iptables", "ipvs" or "nftables" there, and scripts ask in order to
 * know where to look for rules: "sluice" sends them to none of the three.
 */
export function serveMetrics({ metrics, config, ...listener }: MetricsServerOptions): Listener {
  const route: Route = async (path) => {
    switch (path) {
      case "/healthz":
        return textReply(200, "ok");
      case "/proxyMode":
        return textReply(200, "sluice");
      case "/configz":
        return jsonReply(200, { "sluice.dev": shown("", config) });
      case "/metrics":
        return { status: 200, type: metrics.contentType, body: await metrics.text() };
      default:
        return undefined;
    }
  };
  return listen({ name: "metrics", handler: handlerOf(route), ...listener });
}

function shown(name: string, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (isSecretName(name)) return redacted;
  if (typeof value === "string") return redactText(value);
  if (value instanceof Set || Array.isArray(value)) {
    return [...value].map((item) => shown(name, item));
  }
  if (typeof value !== "object") return value;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([key, item]) => [key, shown(String(key), item)]));
}
