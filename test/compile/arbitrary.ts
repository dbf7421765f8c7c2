import fc from "fast-check";
import type { Endpoint, EndpointPort, EndpointSlice } from "../../agent/model/endpoint.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import type { Node } from "../../agent/model/node.ts";
import type { Service, ServicePort } from "../../agent/model/service.ts";

/** Small pools of names and addresses, so that objects meet, clash and replace each other. */
const protocol = fc.constantFrom("TCP", "UDP", "SCTP");
const portName = fc.constantFrom("", "http", "dns");
const policy = fc.constantFrom("Cluster", "Local");
const family = fc.constantFrom("IPv4", "IPv6");
const namespace = fc.constantFrom("a", "b");
const serviceName = fc.constantFrom("web", "db", "web-1");
const sliceName = fc.constantFrom("web-1", "web-2", "db-1", "x");

const hints = (...names: string[]) =>
  fc.option(fc.subarray(names, { maxLength: 2 }), { nil: undefined, freq: 3 });

export const endpointArbitrary: fc.Arbitrary<Endpoint> = fc.record({
  address: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "FD00::0:1", "fd00::2"),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
  nodeName: fc.constantFrom(undefined, "node-a", "node-b"),
  weight: fc.constantFrom(1, 1, 1, 0, 3),
  zoneHints: hints("zone-1", "zone-2"),
  nodeHints: hints("node-a", "node-b"),
});

const endpointPort: fc.Arbitrary<EndpointPort> = fc.record({
  name: portName,
  protocol,
  port: fc.constantFrom(8080, 9090),
});

export const sliceArbitrary: fc.Arbitrary<EndpointSlice> = fc.record({
  namespace,
  name: sliceName,
  serviceName,
  family,
  ports: fc.array(endpointPort, { maxLength: 3 }),
  endpoints: fc.array(endpointArbitrary, { maxLength: 4 }),
});

const servicePort: fc.Arbitrary<ServicePort> = fc.record({
  name: portName,
  protocol,
  port: fc.constantFrom(53, 80, 443),
  nodePort: fc.constantFrom(0, 30080),
});

export const serviceArbitrary: fc.Arbitrary<Service> = fc.record({
  namespace,
  name: serviceName,
  type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
  clusterIPs: fc.subarray(["10.96.0.1", "fd00:96::1"]),
  ports: fc.array(servicePort, { maxLength: 3 }),
  externalIPs: fc.subarray(["198.51.100.1", "2001:db8::1"]),
  loadBalancerIPs: fc.subarray(["203.0.113.1", "2001:db8::2"]),
  internalTrafficPolicy: policy,
  externalTrafficPolicy: policy,
  loadBalancerSourceRanges: fc.subarray(["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "x"]),
  healthCheckNodePort: fc.constantFrom(0, 32000),
  algorithm: fc.constantFrom("random", "maglev"),
  weights: fc
    .subarray([["10.0.0.1", 0] as const, ["fd00::1", 5] as const])
    .map((all) => new Map(all)),
  affinityTimeoutSeconds: fc.constantFrom(0, 10800),
});

const nodeArbitrary: fc.Arbitrary<Node> = fc.record({
  name: fc.constantFrom("node-a", "node-b"),
  zone: fc.constantFrom(undefined, "zone-1", "zone-2"),
  addresses: fc.constant([]),
  leaving: fc.boolean(),
});

export const eventArbitrary: fc.Arbitrary<SourceEvent> = fc.oneof(
  serviceArbitrary.map((service): SourceEvent => ({ kind: "service", service })),
  sliceArbitrary.map((slice): SourceEvent => ({ kind: "slice", slice })),
  nodeArbitrary.map((node): SourceEvent => ({ kind: "node", node })),
  fc.oneof(
    fc.record({
      kind: fc.constant("service-deleted" as const),
      namespace,
      name: serviceName,
    }),
    fc.record({ kind: fc.constant("slice-deleted" as const), namespace, name: sliceName }),
    fc.record({
      kind: fc.constant("node-deleted" as const),
      name: fc.constantFrom("node-a", "node-b"),
    }),
  ),
);
