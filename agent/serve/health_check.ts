import type { DesiredHealthCheck } from "../compile/records.ts";

/** What a load balancer's probe of a healthCheckNodePort is told. */
export interface HealthCheckAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string;
}

/**
 * 200 where the node has ready endpoints of the Service in the family that is asked for and the
 * proxy keeps up, else 503; byte for byte what kube-proxy 1.36 says (KP-40;
 * pkg/proxy/healthcheck/service_health.go).
 */
export function healthCheckAnswer(
  { namespace, name }: Pick<DesiredHealthCheck, "namespace" | "name">,
  localEndpoints: number,
  serviceProxyHealthy: boolean,
): HealthCheckAnswer {
  const report = { service: { namespace, name }, localEndpoints, serviceProxyHealthy };
  const body = JSON.stringify(report, undefined, "\t");
  return {
    status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
    headers: {
      "Content-Type": "application/json",
      "X-Content-Type-Options": "nosniff",
      "X-Load-Balancing-Endpoint-Weight": localEndpoints,
      "Content-Length": Buffer.byteLength(body),
    },
    body,
  };
}
