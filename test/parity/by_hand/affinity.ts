import type { Scenario } from "../scenario.ts";

const four = [{ on: "a-0" }, { on: "a-1" }, { on: "b-0" }, { on: "b-1" }] as const;

/** Session affinity: which endpoint is chance, that it is kept is not. */
export const affinity: readonly Scenario[] = [
  {
    name: "affinity of a ClusterIP (KP-28)",
    steps: [{ endpoints: four, affinitySeconds: 600 }],
  },
  {
    name: "affinity over all addresses (KP-28)",
    steps: [{ type: "LoadBalancer", externalIP: true, endpoints: four, affinitySeconds: 600 }],
  },
  {
    name: "affinity under external Local (KP-13, KP-28)",
    steps: [
      {
        type: "LoadBalancer",
        externalIP: true,
        endpoints: four,
        affinitySeconds: 600,
        externalTrafficPolicy: "Local",
      },
    ],
  },
  {
    name: "affinity that is switched on and off (KP-28, KP-34)",
    steps: [
      { type: "NodePort", endpoints: four },
      { type: "NodePort", endpoints: four, affinitySeconds: 600 },
      { type: "NodePort", endpoints: four },
    ],
  },
  {
    name: "affinity to an endpoint that goes (KP-28)",
    steps: [
      { type: "NodePort", endpoints: [{ on: "a-1" }], affinitySeconds: 600 },
      { type: "NodePort", endpoints: [{ on: "b-0" }, { on: "b-1" }], affinitySeconds: 600 },
    ],
  },
  {
    name: "affinity without an endpoint (KP-14, KP-28)",
    steps: [{ type: "NodePort", endpoints: [], affinitySeconds: 600 }],
  },
];
