import type { EndpointCase, Scenario } from "../scenario.ts";

const hinted = (name: string, endpoints: readonly EndpointCase[]): Scenario => ({
  name,
  steps: [{ type: "NodePort", endpoints }],
});

/** Hints, on a node of zone z1. */
export const topology: readonly Scenario[] = [
  hinted("zone hints for every endpoint, one of them for this zone (KP-11)", [
    { on: "a-1", zoneHints: ["z2"] },
    { on: "b-0", zoneHints: ["z1"] },
  ]),
  hinted("zone hints for several zones (KP-11)", [
    { on: "a-1", zoneHints: ["z1", "z2"] },
    { on: "b-0", zoneHints: ["z2"] },
  ]),
  hinted("zone hints that one endpoint lacks (KP-11)", [
    { on: "a-1", zoneHints: ["z1"] },
    { on: "b-0" },
  ]),
  hinted("zone hints of which none is for this zone (KP-11)", [
    { on: "a-1", zoneHints: ["z2"] },
    { on: "b-0", zoneHints: ["z3"] },
  ]),
  hinted("empty zone hints (KP-11)", [
    { on: "a-1", zoneHints: [] },
    { on: "b-0", zoneHints: ["z1"] },
  ]),
  hinted("zone hints that an endpoint lacks which is not ready (KP-11)", [
    { on: "a-1", ready: false },
    { on: "b-0", zoneHints: ["z1"] },
    { on: "b-1", zoneHints: ["z2"] },
  ]),
  hinted("node hints for every endpoint, one of them for this node (KP-11)", [
    { on: "a-1", nodeHints: ["b"] },
    { on: "b-0", nodeHints: ["a"] },
  ]),
  hinted("node hints before zone hints (KP-11)", [
    { on: "a-1", nodeHints: ["b"], zoneHints: ["z1"] },
    { on: "b-0", nodeHints: ["a"], zoneHints: ["z2"] },
  ]),
  hinted("node hints for other nodes, and zone hints for this zone (KP-11)", [
    { on: "a-1", nodeHints: ["c"], zoneHints: ["z2"] },
    { on: "b-0", nodeHints: ["b"], zoneHints: ["z1"] },
  ]),
  hinted("hints of endpoints that only terminate (KP-12)", [
    { on: "a-1", ready: false, serving: true, terminating: true, zoneHints: ["z2"] },
    { on: "b-0", ready: false, serving: true, terminating: true, zoneHints: ["z1"] },
  ]),
  {
    name: "hints under external Local (KP-13)",
    steps: [
      {
        type: "NodePort",
        externalTrafficPolicy: "Local",
        endpoints: [
          { on: "a-1", zoneHints: ["z2"] },
          { on: "b-0", zoneHints: ["z1"] },
        ],
      },
    ],
  },
  {
    name: "a traffic distribution without hints, which changes nothing (KP-11)",
    steps: [
      {
        type: "NodePort",
        trafficDistribution: "PreferSameZone",
        endpoints: [{ on: "a-1" }, { on: "b-0" }],
      },
    ],
  },
];
