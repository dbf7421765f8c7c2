import type { Scenario } from "../scenario.ts";

const two = [{ on: "a-1" }, { on: "b-0" }] as const;

/** Ports, protocols and families. */
export const ports: readonly Scenario[] = [
  {
    name: "TCP alone: UDP of the same port is unknown (KP-31, KP-33)",
    steps: [
      { type: "LoadBalancer", externalIP: true, endpoints: two, ports: [{ protocol: "TCP" }] },
    ],
  },
  {
    name: "UDP alone (KP-33)",
    steps: [
      { type: "LoadBalancer", externalIP: true, endpoints: two, ports: [{ protocol: "UDP" }] },
    ],
  },
  {
    name: "several named ports with targets of their own (KP-33)",
    steps: [
      {
        type: "NodePort",
        endpoints: two,
        ports: [
          { name: "web", protocol: "TCP", port: 80, targetPort: 8080 },
          { name: "admin", protocol: "TCP", port: 81, targetPort: 9090, nodePort: 1 },
          { name: "dns", protocol: "UDP", port: 53, targetPort: 9090, nodePort: 2 },
        ],
      },
    ],
  },
  {
    name: "a target port that nobody listens at (KP-33)",
    steps: [
      {
        type: "NodePort",
        endpoints: two,
        ports: [
          { protocol: "TCP", targetPort: 9999 },
          { protocol: "UDP", targetPort: 9999 },
        ],
      },
    ],
  },
  {
    name: "one port that has endpoints and one that has none (KP-03, KP-14)",
    steps: [
      {
        type: "NodePort",
        ports: [
          { name: "web", protocol: "TCP", port: 80 },
          { name: "admin", protocol: "TCP", port: 81, nodePort: 1 },
        ],
        slices: [{ endpoints: two, ports: [{ name: "web", protocol: "TCP" }] }],
      },
    ],
  },
  {
    name: "IPv4 alone (KP-02)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: two, families: ["IPv4"] }],
  },
  {
    name: "IPv6 alone (KP-02)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: two, families: ["IPv6"] }],
  },
  {
    name: "IPv6 before IPv4 (KP-02)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: two, families: ["IPv6", "IPv4"] }],
  },
  {
    name: "both families, endpoints in IPv4 alone (KP-02, KP-14)",
    steps: [{ type: "NodePort", slices: [{ endpoints: two, families: ["IPv4"] }] }],
  },
  {
    name: "ports as high as they go (KP-33)",
    steps: [
      {
        endpoints: two,
        ports: [
          { protocol: "TCP", port: 65_535 },
          { protocol: "UDP", port: 65_535 },
        ],
      },
    ],
  },
];
