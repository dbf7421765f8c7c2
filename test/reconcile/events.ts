import type { EndpointSlice } from "../../agent/model/endpoint.ts";
import type { Resource, SourceEvent } from "../../agent/model/event.ts";
import type { Service } from "../../agent/model/service.ts";

/** What a source tells. */

export const synced = (resource: Resource): SourceEvent => ({ kind: "synced", resource });
export const allSynced = [
  synced("services"),
  synced("endpointslices"),
  synced("nodes"),
  synced("foreignservices"),
];

/** A Service of namespace default with one port. */
export const service = (
  name: string,
  address: string,
  rest: Partial<Service> = {},
): SourceEvent => ({
  kind: "service",
  service: {
    namespace: "default",
    name,
    type: "ClusterIP",
    clusterIPs: [address],
    ports: [{ name: "", protocol: "TCP", port: 80, nodePort: 0 }],
    externalIPs: [],
    loadBalancerIPs: [],
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    affinityTimeoutSeconds: 0,
    loadBalancerSourceRanges: [],
    healthCheckNodePort: 0,
    algorithm: "random",
    weights: new Map(),
    ...rest,
  },
});

/** Its endpoints, all ready; of zone hints only the first names the zone. */
export const slice = (
  serviceName: string,
  addresses: readonly string[],
  zone?: string,
  nodeName?: string,
): SourceEvent => {
  const endpoints: EndpointSlice["endpoints"] = addresses.map((address, at) => ({
    address,
    ready: true,
    serving: true,
    terminating: false,
    weight: 1,
    nodeName,
    zoneHints: zone === undefined ? undefined : [at === 0 ? zone : "elsewhere"],
    nodeHints: undefined,
  }));
  return {
    kind: "slice",
    slice: {
      namespace: "default",
      name: `${serviceName}-1`,
      serviceName,
      family: "IPv4",
      ports: [{ name: "", protocol: "TCP", port: 8080 }],
      endpoints,
    },
  };
};

export const deleted = (name: string): SourceEvent => ({
  kind: "service-deleted",
  namespace: "default",
  name,
});
