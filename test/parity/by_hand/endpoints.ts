import type { Scenario } from "../scenario.ts";

const ending = { ready: false, serving: true, terminating: true } as const;

/** Which endpoints are used, under every kind of address. */
export const endpoints: readonly Scenario[] = [
  {
    name: "one endpoint on the node (KP-20, KP-21)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: [{ on: "a-1" }] }],
  },
  {
    name: "one endpoint on another node (KP-20, KP-21)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: [{ on: "b-0" }] }],
  },
  {
    name: "endpoints on both nodes (KP-12, KP-30)",
    steps: [
      {
        type: "LoadBalancer",
        externalIP: true,
        endpoints: [{ on: "a-0" }, { on: "a-1" }, { on: "b-0" }],
      },
    ],
  },
  {
    name: "no endpoint at all (KP-14)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: [] }],
  },
  {
    name: "no slice at all (KP-14)",
    steps: [{ type: "LoadBalancer", externalIP: true, slices: [] }],
  },
  {
    name: "a client that is the only endpoint, at its socket (KP-29)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: [{ on: "a-0" }] }],
  },
  {
    name: "a client that is the only endpoint, past its socket (KP-29)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: [{ on: "bypass" }] }],
  },
  {
    name: "endpoints in the host networks of both nodes (KP-12)",
    steps: [
      { type: "LoadBalancer", externalIP: true, endpoints: [{ on: "host-a" }, { on: "host-b" }] },
    ],
  },
  {
    name: "an endpoint that is not ready beside one that is (KP-12)",
    steps: [{ type: "NodePort", endpoints: [{ on: "a-1", ready: false }, { on: "b-0" }] }],
  },
  {
    name: "only endpoints that are neither ready nor serving (KP-12, KP-14)",
    steps: [
      {
        type: "NodePort",
        endpoints: [
          { on: "a-1", ready: false },
          { on: "b-0", ready: false },
        ],
      },
    ],
  },
  {
    name: "endpoints that serve but are not ready, and not terminating (KP-12)",
    steps: [{ type: "NodePort", endpoints: [{ on: "a-1", ready: false, serving: true }] }],
  },
  {
    name: "a terminating endpoint beside a ready one (KP-12)",
    steps: [{ type: "NodePort", endpoints: [{ on: "a-1", ...ending }, { on: "b-0" }] }],
  },
  {
    name: "only terminating endpoints that still serve (KP-12)",
    steps: [
      {
        type: "NodePort",
        endpoints: [
          { on: "a-1", ...ending },
          { on: "b-0", ...ending },
        ],
      },
    ],
  },
  {
    name: "terminating endpoints of which one serves no more (KP-12)",
    steps: [
      {
        type: "NodePort",
        endpoints: [
          { on: "a-1", ready: false, serving: false, terminating: true },
          { on: "b-0", ...ending },
        ],
      },
    ],
  },
  {
    name: "an endpoint without conditions (KP-03)",
    steps: [
      {
        type: "NodePort",
        endpoints: [{ on: "a-1", ready: null, serving: null, terminating: null }],
      },
    ],
  },
  {
    name: "an endpoint that is ready and terminating, as publishNotReadyAddresses has it (KP-12)",
    steps: [{ type: "NodePort", endpoints: [{ on: "a-1", terminating: true }, { on: "b-0" }] }],
  },
];
