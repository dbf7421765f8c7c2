import type { Scenario } from "../scenario.ts";

const ending = { ready: false, serving: true, terminating: true } as const;

/** What may stand in EndpointSlices and on Services. */
export const slices: readonly Scenario[] = [
  {
    name: "two slices (KP-03)",
    steps: [
      {
        type: "NodePort",
        slices: [{ endpoints: [{ on: "a-1" }] }, { endpoints: [{ on: "b-0" }] }],
      },
    ],
  },
  {
    name: "an endpoint in two slices, of which one lets it terminate (KP-03)",
    steps: [
      {
        type: "NodePort",
        slices: [
          { endpoints: [{ on: "a-1", ...ending }] },
          { endpoints: [{ on: "a-1" }] },
          { endpoints: [{ on: "b-0" }] },
        ],
      },
    ],
  },
  {
    name: "only the first address of an endpoint (KP-03)",
    steps: [{ type: "NodePort", endpoints: [{ on: "a-1", also: "b-0" }] }],
  },
  {
    name: "a slice without the name of its Service (KP-03)",
    steps: [
      {
        type: "NodePort",
        slices: [{ endpoints: [{ on: "a-1" }], serviceName: null }, { endpoints: [{ on: "b-0" }] }],
      },
    ],
  },
  {
    name: "a slice of host names (KP-03)",
    steps: [
      {
        type: "NodePort",
        slices: [
          { endpoints: [{ on: "a-1" }], addressType: "FQDN" },
          { endpoints: [{ on: "b-0" }] },
        ],
      },
    ],
  },
  {
    name: "a slice with the label of headless Services (KP-01)",
    steps: [
      {
        type: "NodePort",
        slices: [
          { endpoints: [{ on: "a-1" }], labels: { "service.kubernetes.io/headless": "" } },
          { endpoints: [{ on: "b-0" }] },
        ],
      },
    ],
  },
  {
    name: "a slice port without a name (KP-03)",
    steps: [
      {
        type: "NodePort",
        slices: [
          { endpoints: [{ on: "a-1" }], ports: [{ protocol: "TCP", sliceName: null }] },
          { endpoints: [{ on: "b-0" }] },
        ],
      },
    ],
  },
  {
    name: "a slice port without a number (KP-03)",
    steps: [
      {
        type: "NodePort",
        slices: [
          { endpoints: [{ on: "a-1" }], ports: [{ protocol: "TCP", targetPort: null }] },
          { endpoints: [{ on: "b-0" }] },
        ],
      },
    ],
  },
  {
    name: "a slice port of another protocol (KP-03)",
    steps: [
      {
        ports: [{ name: "web", protocol: "TCP" }],
        slices: [{ endpoints: [{ on: "a-1" }], ports: [{ name: "web", protocol: "UDP" }] }],
      },
    ],
  },
  {
    name: "an endpoint that names no node, under both policies Local (KP-03, KP-13)",
    steps: [
      {
        type: "NodePort",
        internalTrafficPolicy: "Local",
        externalTrafficPolicy: "Local",
        endpoints: [{ on: "a-1", nodeName: null }],
      },
    ],
  },
  {
    name: "an endpoint here that names another node (KP-03, KP-13)",
    steps: [
      {
        type: "NodePort",
        internalTrafficPolicy: "Local",
        endpoints: [{ on: "a-1", nodeName: "b" }],
      },
    ],
  },
  {
    name: "an endpoint elsewhere that names this node (KP-03, KP-21)",
    steps: [
      { type: "LoadBalancer", endpoints: [{ on: "b-0", nodeName: "a" }] },
      {
        type: "LoadBalancer",
        endpoints: [{ on: "b-0", nodeName: "a" }],
        externalTrafficPolicy: "Local",
      },
    ],
  },
  {
    name: "a Service of another proxy's name (KP-01)",
    steps: [
      {
        type: "LoadBalancer",
        endpoints: [{ on: "a-1" }],
        labels: { "service.kubernetes.io/service-proxy-name": "other" },
      },
    ],
  },
  {
    name: "a headless Service (KP-02)",
    steps: [{ headless: true, endpoints: [{ on: "a-1" }] }],
  },
  {
    name: "a Service of type ExternalName (KP-02)",
    steps: [{ type: "ExternalName", endpoints: [{ on: "a-1" }] }],
  },
];
