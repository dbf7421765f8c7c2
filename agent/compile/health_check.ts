import type { IpFamily } from "../model/address.ts";
import type { Service } from "../model/service.ts";
import type { JoinedEndpoint } from "./join.ts";
import type { DesiredHealthCheck } from "./records.ts";
import type { Locality } from "./topology.ts";

/**
 * What the healthCheckNodePort answers for (KP-40); undefined where the Service has none to serve.
 * `endpoints` holds those of every port, by family: each is counted and answered for by itself.
 */
export function healthCheckOf(
  service: Service,
  endpoints: ReadonlyMap<IpFamily, readonly (readonly JoinedEndpoint[])[]>,
  node: Locality,
): DesiredHealthCheck | undefined {
  const { namespace, name, healthCheckNodePort: port } = service;
  if (service.type !== "LoadBalancer" || service.externalTrafficPolicy !== "Local" || port === 0) {
    return undefined;
  }
  const counts = [...endpoints].map(
    ([family, ofPorts]) => [family, countLocalReady(ofPorts, node)] as const,
  );
  return { namespace, name, port, localEndpoints: Object.fromEntries(counts) };
}

function countLocalReady(ofPorts: readonly (readonly JoinedEndpoint[])[], node: Locality): number {
  const local = ofPorts
    .flat()
    .filter(({ endpoint }) => endpoint.ready && endpoint.nodeName === node.name);
  return new Set(local.map(({ address }) => address)).size;
}
