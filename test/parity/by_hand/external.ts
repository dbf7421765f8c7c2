import type { Scenario, ServiceCase } from "../scenario.ts";

const balanced = (more: ServiceCase): ServiceCase => ({
  type: "LoadBalancer",
  externalIP: true,
  endpoints: [{ on: "a-1" }, { on: "b-0" }],
  ...more,
});

const outside = ["192.168.1.0/24", "fd00:192:168:1::/64"];
const nobody = ["192.0.2.0/24", "2001:db8::/32"];
const node = ["172.30.0.1/32", "fd00:172:30::1/128"];
const pods = ["10.244.0.0/16", "fd00:10:244::/48"];

/** External addresses, balancers and who may use them. */
export const external: readonly Scenario[] = [
  {
    name: "an external address of a ClusterIP (KP-23)",
    steps: [{ externalIP: true, endpoints: [{ on: "a-1" }, { on: "b-0" }] }],
  },
  {
    name: "an external address without an endpoint (KP-14, KP-23)",
    steps: [{ externalIP: true, endpoints: [] }],
  },
  {
    name: "a balancer of mode VIP (KP-22)",
    steps: [balanced({ ipMode: "VIP" })],
  },
  {
    name: "a balancer of mode Proxy, which is left alone (KP-22)",
    steps: [balanced({ ipMode: "Proxy" })],
  },
  {
    name: "source ranges that hold the client outside (KP-24)",
    steps: [balanced({ sourceRanges: outside })],
  },
  {
    name: "source ranges that hold nobody (KP-24)",
    steps: [balanced({ sourceRanges: nobody })],
  },
  {
    name: "source ranges that hold the node (KP-24)",
    steps: [balanced({ sourceRanges: node })],
  },
  {
    name: "source ranges that hold the pods (KP-24)",
    steps: [balanced({ sourceRanges: [...pods, ...outside] })],
  },
  {
    name: "source ranges of one family (KP-24)",
    steps: [balanced({ sourceRanges: ["192.168.1.0/24"] })],
  },
  {
    name: "source ranges that hold everybody (KP-24)",
    steps: [balanced({ sourceRanges: ["0.0.0.0/0", "::/0"] })],
  },
  {
    name: "source ranges with blanks around them (KP-24)",
    steps: [balanced({ sourceRanges: [" 192.168.1.0/24", "fd00:192:168:1::/64 "] })],
  },
  {
    name: "source ranges of a Service without an endpoint (KP-14, KP-24)",
    steps: [balanced({ sourceRanges: outside, endpoints: [] })],
  },
  {
    name: "source ranges and external Local (KP-13, KP-24)",
    steps: [balanced({ sourceRanges: outside, externalTrafficPolicy: "Local" })],
  },
  {
    name: "source ranges that do not matter to NodePorts (KP-24)",
    steps: [balanced({ type: "NodePort", sourceRanges: nobody })],
  },
  {
    name: "a balancer without node ports (KP-25)",
    steps: [
      balanced({
        ports: [
          { protocol: "TCP", nodePort: false },
          { protocol: "UDP", nodePort: false },
        ],
      }),
    ],
  },
];
