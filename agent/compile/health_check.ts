import type { Service } from "../model/service.ts";
import type { JoinedEndpoint } from "./join.ts";
import type { DesiredHealthCheck } from "./records.ts";
import type { Locality } from "./topology.ts";

/**
 * What the healthCheckNodePort answers for (KP-40); undefined where the Service has none to serve.
 * `endpoints` holds those of every port and family. kube-proxy counts and answers for each family
 * by itself; here one port answers for both, and a pod that has an address in each counts once.
 */
export function healthCheckOf(
  service: Service,
  endpoints: readonly (readonly JoinedEndpoint[])[],
  node: Locality,
): DesiredHealthCheck | undefined {
  const { namespace, name, healthCheckNodePort: port } = service;
  if (service.type !== "LoadBalancer" || service.externalTrafficPolicy !== "Local" || port === 0) {
    return undefined;
  }
  return { namespace, name, port, localEndpoints: countLocalReady(endpoints, node) };
}

function countLocalReady(
  endpoints: readonly (readonly JoinedEndpoint[])[],
  node: Locality,
): number {
  const v4 = new Set<string>();
  const v6 = new Set<string>();
  for (const { address, endpoint } of endpoints.flat()) {
    if (!endpoint.ready || endpoint.nodeName !== node.name) continue;
    (address.includes(":") ? v6 : v4).add(address);
  }
  return Math.max(v4.size, v6.size);
}
