import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { affinity } from "./affinity.ts";
import { customSlices } from "./custom_slices.ts";
import { dualStack } from "./dual_stack.ts";
import { endpoints } from "./endpoints.ts";
import { externalIPOnNoNode } from "./external_ip.ts";
import { externalTrafficPolicy } from "./external_traffic_policy.ts";
import { granularChecks } from "./granular_checks.ts";
import { internalTrafficPolicy } from "./internal_traffic_policy.ts";
import { leftAlone } from "./left_alone.ts";
import { loadBalancerAffinity } from "./load_balancer_affinity.ts";
import { loadBalancerChanges } from "./load_balancer_changes.ts";
import { loadBalancerIpMode } from "./load_balancer_ip_mode.ts";
import { loadBalancerLocal } from "./load_balancer_local.ts";
import { loadBalancerRanges } from "./load_balancer_ranges.ts";
import { loadBalancerRollout } from "./load_balancer_rollout.ts";
import { loadBalancerUdp } from "./load_balancer_udp.ts";
import { nodePorts } from "./node_ports.ts";
import { ownAddresses } from "./own_address.ts";
import { protocols } from "./protocols.ts";
import { rejection } from "./rejection.ts";
import { serviceCidrs } from "./service_cidr.ts";
import { Stage } from "./stage.ts";
import { tcpConntrack } from "./tcp_conntrack.ts";
import { terminatingEndpoints } from "./terminating_endpoints.ts";
import { threeZones } from "./three_zones.ts";
import { topologyHints } from "./topology_hints.ts";
import { types } from "./types.ts";
import { udpConntrack } from "./udp_conntrack.ts";
import { unreadyPods } from "./unready.ts";
import { upAndDown } from "./up_and_down.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

describe("Kubernetes' end-to-end tests of a service proxy", () => {
  it("meet an agent on each node", async () => {
    for (const agent of Object.values(stage.agents)) {
      expect((await agent.status()).sync.ready).toBe(true);
    }
  });

  endpoints(() => stage);
  upAndDown(() => stage);
  unreadyPods(() => stage);
  types(() => stage);
  ownAddresses(() => stage);
  nodePorts(() => stage);
  protocols(() => stage);
  affinity(() => stage);
  externalIPOnNoNode(() => stage);
  customSlices(() => stage);
  internalTrafficPolicy(() => stage);
  terminatingEndpoints(() => stage);
  externalTrafficPolicy(() => stage);
  leftAlone(() => stage);
  rejection(() => stage);
  udpConntrack(() => stage);
  tcpConntrack(() => stage);
  loadBalancerAffinity(() => stage);
  loadBalancerChanges(() => stage);
  loadBalancerIpMode(() => stage);
  loadBalancerLocal(() => stage);
  loadBalancerRanges(() => stage);
  loadBalancerUdp(() => stage);
  dualStack(() => stage);
  granularChecks(() => stage);
  loadBalancerRollout(() => stage);
  topologyHints(() => stage);
  // The last: it leaves nodes that have no agent.
  threeZones(() => stage);
  // And after it, since every Service may get its addresses from there from then on.
  serviceCidrs(() => stage);
});
