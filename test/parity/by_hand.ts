import { affinity } from "./by_hand/affinity.ts";
import { changes } from "./by_hand/changes.ts";
import { endpoints } from "./by_hand/endpoints.ts";
import { external } from "./by_hand/external.ts";
import { policies } from "./by_hand/policies.ts";
import { ports } from "./by_hand/ports.ts";
import { slices } from "./by_hand/slices.ts";
import { topology } from "./by_hand/topology.ts";
import type { Scenario } from "./scenario.ts";

/** Scenarios whose Services do not depend on more of the node than its zone z1. */
export const byHand: Readonly<Record<string, readonly Scenario[]>> = {
  endpoints,
  policies,
  "external addresses": external,
  "session affinity": affinity,
  ports,
  slices,
  topology,
  changes,
};
