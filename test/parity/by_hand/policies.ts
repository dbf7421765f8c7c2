import type { EndpointCase, Scenario, ServiceCase } from "../scenario.ts";

const ending = { ready: false, serving: true, terminating: true } as const;

const internal = (endpoints: readonly EndpointCase[], more: ServiceCase = {}): ServiceCase => ({
  type: "LoadBalancer",
  externalIP: true,
  internalTrafficPolicy: "Local",
  endpoints,
  ...more,
});

const external = (endpoints: readonly EndpointCase[], more: ServiceCase = {}): ServiceCase => ({
  type: "LoadBalancer",
  externalIP: true,
  externalTrafficPolicy: "Local",
  endpoints,
  ...more,
});

/** Traffic policies with every fallback. */
export const policies: readonly Scenario[] = [
  {
    name: "internal Local with endpoints on both nodes (KP-10, KP-13)",
    steps: [internal([{ on: "a-1" }, { on: "b-0" }])],
  },
  {
    name: "internal Local without an endpoint here (KP-14)",
    steps: [internal([{ on: "b-0" }, { on: "b-1" }])],
  },
  {
    name: "internal Local without any endpoint (KP-14)",
    steps: [internal([])],
  },
  {
    name: "internal Local with only a terminating one here (KP-13)",
    steps: [internal([{ on: "a-1", ...ending }, { on: "b-0" }])],
  },
  {
    name: "internal Local with one here that is not ready (KP-13)",
    steps: [internal([{ on: "a-1", ready: false }, { on: "b-0" }])],
  },
  {
    name: "internal Local of a plain ClusterIP (KP-10)",
    steps: [internal([{ on: "a-1" }, { on: "b-0" }], { type: "ClusterIP", externalIP: false })],
  },
  {
    name: "internal Local of the host network (KP-13)",
    steps: [internal([{ on: "host-a" }, { on: "host-b" }])],
  },
  {
    name: "internal Local with hints for another zone (KP-13)",
    steps: [
      internal([
        { on: "a-1", zoneHints: ["z2"] },
        { on: "b-0", zoneHints: ["z1"] },
      ]),
    ],
  },
  {
    name: "external Local with endpoints on both nodes (KP-10, KP-13, KP-21)",
    steps: [external([{ on: "a-1" }, { on: "b-0" }])],
  },
  {
    name: "external Local without an endpoint here (KP-14)",
    steps: [external([{ on: "b-0" }, { on: "b-1" }])],
  },
  {
    name: "external Local without any endpoint (KP-14)",
    steps: [external([])],
  },
  {
    name: "external Local with only a terminating one here (KP-13)",
    steps: [external([{ on: "a-1", ...ending }, { on: "b-0" }])],
  },
  {
    name: "external Local with only terminating ones anywhere (KP-12, KP-13)",
    steps: [
      external([
        { on: "a-1", ...ending },
        { on: "b-0", ...ending },
      ]),
    ],
  },
  {
    name: "external Local of the host network (KP-13)",
    steps: [external([{ on: "host-a" }, { on: "host-b" }])],
  },
  {
    name: "external Local of a NodePort (KP-21)",
    steps: [external([{ on: "a-1" }, { on: "b-0" }], { type: "NodePort", externalIP: false })],
  },
  {
    name: "external Local of a ClusterIP with an external address (KP-23)",
    steps: [external([{ on: "a-1" }, { on: "b-0" }], { type: "ClusterIP" })],
  },
  {
    name: "external Local with a client that is the only one here (KP-29)",
    steps: [external([{ on: "bypass" }, { on: "b-0" }])],
  },
  {
    name: "both policies Local with endpoints here (KP-10)",
    steps: [external([{ on: "a-0" }, { on: "b-0" }], { internalTrafficPolicy: "Local" })],
  },
  {
    name: "both policies Local without an endpoint here (KP-14)",
    steps: [external([{ on: "b-0" }], { internalTrafficPolicy: "Local" })],
  },
  {
    name: "internal Local and external Cluster with endpoints elsewhere (KP-10)",
    steps: [internal([{ on: "b-1" }], { externalTrafficPolicy: "Cluster" })],
  },
];
