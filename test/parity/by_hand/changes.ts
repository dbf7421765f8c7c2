import type { Scenario } from "../scenario.ts";

const two = [{ on: "a-1" }, { on: "b-0" }] as const;

/** What becomes of a Service that changes while it is served. */
export const changes: readonly Scenario[] = [
  {
    name: "a ClusterIP becomes a NodePort, a balancer and a ClusterIP again (KP-34)",
    steps: [
      { endpoints: two },
      { type: "NodePort", endpoints: two },
      { type: "LoadBalancer", endpoints: two },
      { endpoints: two },
    ],
  },
  {
    name: "an ExternalName becomes a ClusterIP and an ExternalName again (KP-34)",
    steps: [{ type: "ExternalName" }, { endpoints: two }, { type: "ExternalName" }],
  },
  {
    name: "ports are added, renumbered and removed (KP-34)",
    steps: [
      { type: "NodePort", endpoints: two, ports: [{ name: "web", protocol: "TCP" }] },
      {
        type: "NodePort",
        endpoints: two,
        ports: [
          { name: "web", protocol: "TCP", port: 81, nodePort: 1 },
          { name: "dns", protocol: "UDP", port: 53, nodePort: 2 },
        ],
      },
      { type: "NodePort", endpoints: two, ports: [{ name: "dns", protocol: "UDP", port: 53 }] },
    ],
  },
  {
    name: "a target port changes (KP-34, KP-70)",
    steps: [
      { type: "NodePort", endpoints: two },
      {
        type: "NodePort",
        endpoints: two,
        ports: [
          { protocol: "TCP", targetPort: 9090 },
          { protocol: "UDP", targetPort: 9999 },
        ],
      },
    ],
  },
  {
    name: "endpoints come, go and change their conditions (KP-12)",
    steps: [
      { type: "NodePort", endpoints: [{ on: "a-1" }] },
      { type: "NodePort", endpoints: [] },
      { type: "NodePort", endpoints: [{ on: "b-0" }, { on: "b-1" }] },
      {
        type: "NodePort",
        endpoints: [{ on: "b-0", ready: false, serving: true, terminating: true }],
      },
    ],
  },
  {
    name: "policies change, to Local and back (KP-10)",
    steps: [
      { type: "LoadBalancer", endpoints: two },
      {
        type: "LoadBalancer",
        endpoints: two,
        internalTrafficPolicy: "Local",
        externalTrafficPolicy: "Local",
      },
      { type: "LoadBalancer", endpoints: two },
    ],
  },
  {
    name: "source ranges come and go (KP-24)",
    steps: [
      { type: "LoadBalancer", endpoints: two, sourceRanges: ["192.0.2.0/24", "2001:db8::/32"] },
      { type: "LoadBalancer", endpoints: two },
      {
        type: "LoadBalancer",
        endpoints: two,
        sourceRanges: ["192.168.1.2/32", "fd00:192:168:1::2/128"],
      },
    ],
  },
  {
    name: "a Service becomes another proxy's and comes back (KP-01)",
    steps: [
      { type: "NodePort", endpoints: two },
      {
        type: "NodePort",
        endpoints: two,
        labels: { "service.kubernetes.io/service-proxy-name": "other" },
      },
      { type: "NodePort", endpoints: two },
    ],
  },
  {
    name: "a family is added and taken away (KP-02)",
    steps: [
      { type: "NodePort", endpoints: two, families: ["IPv4"] },
      { type: "NodePort", endpoints: two, families: ["IPv4", "IPv6"] },
      { type: "NodePort", endpoints: two, families: ["IPv4"] },
    ],
  },
  {
    name: "external addresses come and go (KP-23)",
    steps: [{ endpoints: two }, { endpoints: two, externalIP: true }, { endpoints: two }],
  },
];
