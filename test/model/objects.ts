import type { Endpoint, EndpointSlice } from "../../agent/model/endpoint.ts";
import type { Node } from "../../agent/model/node.ts";
import type { Service, ServicePort } from "../../agent/model/service.ts";

/** Objects of the model that are valid as they stand; a test states only what it is about. */
export const service = (given: Partial<Service> = {}): Service => ({
  namespace: "default",
  name: "web",
  type: "ClusterIP",
  clusterIPs: ["10.96.0.10"],
  ports: [servicePort()],
  externalIPs: [],
  loadBalancerIPs: [],
  internalTrafficPolicy: "Cluster",
  externalTrafficPolicy: "Cluster",
  loadBalancerSourceRanges: [],
  healthCheckNodePort: 0,
  algorithm: "random",
  weights: new Map(),
  affinityTimeoutSeconds: 0,
  ...given,
});

export const servicePort = (given: Partial<ServicePort> = {}): ServicePort => ({
  name: "",
  protocol: "TCP",
  port: 80,
  nodePort: 0,
  ...given,
});

export const slice = (given: Partial<EndpointSlice> = {}): EndpointSlice => ({
  namespace: "default",
  name: "web-1",
  serviceName: "web",
  family: "IPv4",
  ports: [{ name: "", protocol: "TCP", port: 8080 }],
  endpoints: [],
  ...given,
});

export const endpoint = (address: string, given: Partial<Endpoint> = {}): Endpoint => ({
  address,
  ready: true,
  serving: true,
  terminating: false,
  nodeName: undefined,
  weight: 1,
  zoneHints: undefined,
  nodeHints: undefined,
  ...given,
});

/** Terminating, yet it still answers. */
export const draining = { ready: false, serving: true, terminating: true } as const;

/** Neither answers nor is it going away. */
export const unready = { ready: false, serving: false, terminating: false } as const;

export const node = (given: Partial<Node> = {}): Node => ({
  name: "node-a",
  zone: "zone-1",
  addresses: ["192.0.2.1"],
  leaving: false,
  ...given,
});
