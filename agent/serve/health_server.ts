import type { BindAddress } from "../config/parse.ts";
import type { Log } from "../log.ts";
import { type HealthReport, type HealthState, healthz, livez } from "./health.ts";
import { type Listener, listen } from "./listener.ts";
import { handlerOf, jsonReply, type Route } from "./reply.ts";

export interface HealthServerOptions {
  readonly address: BindAddress;
  readonly state: () => HealthState;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told of each answer, for the metrics. */
  readonly answered: (probe: HealthProbe, status: number) => void;
  readonly log: Log;
  readonly retryMs?: number;
}

export type HealthProbe = "healthz" | "livez";

/** Serves /healthz and /livez: 200 where healthy, else 503 (KP-41). */
export function serveHealth({ state, now, answered, ...listener }: HealthServerOptions): Listener {
  const probes = { "/healthz": healthz, "/livez": livez } as const;
  const route: Route = (path) => {
    if (path !== "/healthz" && path !== "/livez") return undefined;
    const report: HealthReport = probes[path](state(), now());
    const status = report.healthy ? 200 : 503;
    answered(path === "/healthz" ? "healthz" : "livez", status);
    return jsonReply(status, report);
  };
  return listen({ name: "health", handler: handlerOf(route), ...listener });
}
