import type { BindAddress } from "../config/parse.ts";
import type { Log } from "../log.ts";
import type { ReadinessCheck } from "./dump.ts";
import { type HealthReport, type HealthState, healthz, livez, passes } from "./health.ts";
import { type Listener, listen } from "./listener.ts";
import { readyz } from "./readiness.ts";
import { handlerOf, jsonReply, type Route } from "./reply.ts";

export interface HealthServerOptions {
  readonly address: BindAddress;
  readonly state: () => HealthState;
  readonly readiness: () => readonly ReadinessCheck[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told of each answer, for the metrics. */
  readonly answered: (probe: HealthProbe, status: number) => void;
  readonly log: Log;
  readonly retryMs?: number;
}

export type HealthProbe = "healthz" | "livez";

/**
 * Serves /livez, whether to restart the agent, and /healthz, whether balancers may send traffic to the
 * node, both as kube-proxy does (KP-41); and /readyz, whether what is programmed is complete and
 * current. 200 for yes, 503 for no.
 */
export function serveHealth(options: HealthServerOptions): Listener {
  const { state, readiness, now, answered, ...listener } = options;
  const probes = { "/healthz": healthz, "/livez": livez } as const;
  const route: Route = (path) => {
    if (path === "/readyz") {
      const report = readyz(readiness());
      return jsonReply(report.ready ? 200 : 503, report);
    }
    if (path !== "/healthz" && path !== "/livez") return undefined;
    const report: HealthReport = probes[path](state(), now());
    const status = passes(report) ? 200 : 503;
    answered(path === "/healthz" ? "healthz" : "livez", status);
    return jsonReply(status, report);
  };
  return listen({ name: "health", handler: handlerOf(route), ...listener });
}
