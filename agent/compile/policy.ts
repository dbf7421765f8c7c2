import type { Service } from "../model/service.ts";
import type { Frontend } from "./records.ts";

/** Which sets of endpoints a Service port draws on, and which traffic stays on the node (KP-10). */
export interface EndpointPolicy {
  readonly usesCluster: boolean;
  readonly usesLocal: boolean;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
}

/**
 * A Service port that is reachable from outside needs the cluster set whatever its policies are:
 * traffic from this node and its pods to an external address short-circuits to it (KP-14).
 */
export function endpointPolicy(service: Service, frontends: readonly Frontend[]): EndpointPolicy {
  const external = frontends.some(({ kind }) => kind !== "ClusterIP");
  const internalLocal = service.internalTrafficPolicy === "Local";
  const externalLocal = service.externalTrafficPolicy === "Local" && takesExternalTraffic(service);
  return {
    usesCluster: !internalLocal || external,
    usesLocal: internalLocal || (externalLocal && external),
    internalLocal,
    externalLocal,
  };
}

/** The types for which Kubernetes heeds externalTrafficPolicy (KP-23 for ClusterIP). */
function takesExternalTraffic(service: Service): boolean {
  return service.type !== "ClusterIP" || service.externalIPs.length > 0;
}
