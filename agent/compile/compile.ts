import type { IpFamily } from "../model/address.ts";
import type { EndpointSlice } from "../model/endpoint.ts";
import type { Service } from "../model/service.ts";
import { clusterIPs, serviceAddresses } from "./address.ts";
import { frontendsOf } from "./frontend.ts";
import { healthCheckOf } from "./health_check.ts";
import { type JoinedEndpoint, joinEndpoints } from "./join.ts";
import { type LeftToNode, leaveToNode } from "./left_to_node.ts";
import { type LocalGap, localGaps } from "./local_gap.ts";
import { endpointPolicy } from "./policy.ts";
import { usablePorts } from "./port.ts";
import { type CompileProblem, ProblemList } from "./problem.ts";
import type { DesiredHealthCheck, DesiredService } from "./records.ts";
import { selectBackends } from "./selection.ts";
import { sourceRanges } from "./source_range.ts";
import type { Locality } from "./topology.ts";

export interface CompileSettings {
  /** The families that this node can serve; others are left out without a word (KP-02). */
  readonly families: ReadonlySet<IpFamily>;
  /** Addresses that this node has, with the device's name each; none where it is not said. */
  readonly boundAddresses?: ReadonlyMap<string, string>;
}

export interface CompileResult {
  /** One for each family and port (KP-33); no two have the same `portKey`, nor a frontend in common. */
  readonly services: readonly DesiredService[];
  readonly healthCheck: DesiredHealthCheck | undefined;
  /** Service ports that a Local policy leaves without an endpoint; one for each policy and family. */
  readonly localGaps: readonly LocalGap[];
  readonly problems: readonly CompileProblem[];
  readonly leftToNode: readonly LeftToNode[];
}

const NOTHING: CompileResult = {
  services: [],
  healthCheck: undefined,
  localGaps: [],
  problems: [],
  leftToNode: [],
};

/**
 * What the kernel should hold for one Service, by KP-02, KP-03, KP-10 to KP-13 and KP-20 to KP-25,
 * from all of its EndpointSlices, less its ClusterIPs that the node itself has (PF-45). Whatever
 * cannot be programmed is a problem of the result and never an exception.
 */
export function compileService(
  service: Service,
  slices: readonly EndpointSlice[],
  node: Locality,
  settings: CompileSettings,
): CompileResult {
  if (service.type === "ExternalName" || service.clusterIPs.length === 0) return NOTHING;
  const problems = new ProblemList();
  const ports = usablePorts(service, problems.report);
  const services: DesiredService[] = [];
  const endpoints = new Map<IpFamily, (readonly JoinedEndpoint[])[]>();
  const gaps: LocalGap[] = [];
  const leftToNode: LeftToNode[] = [];
  for (const [family, clusterIP] of clusterIPs(service, settings.families, problems.report)) {
    const all = serviceAddresses(service, family, clusterIP, problems.report);
    const { addresses, left } = leaveToNode(all, settings.boundAddresses);
    leftToNode.push(...left);
    const ranges = sourceRanges(service, family, problems.report);
    const ofPorts: (readonly JoinedEndpoint[])[] = [];
    endpoints.set(family, ofPorts);
    for (const port of ports) {
      const { namespace, name, affinityTimeoutSeconds, algorithm } = service;
      const { name: portName, protocol } = port;
      const frontends = frontendsOf(addresses, port, family);
      const policy = endpointPolicy(service, frontends);
      const joined = joinEndpoints(slices, service, port, family, problems.report);
      ofPorts.push(joined);
      const desired: DesiredService = {
        id: { namespace, name, portName, protocol, family },
        port: port.port,
        frontends,
        backends: selectBackends(joined, policy, node),
        affinityTimeoutSeconds,
        internalLocal: policy.internalLocal,
        externalLocal: policy.externalLocal,
        algorithm,
        sourceRanges: ranges,
      };
      services.push(desired);
      gaps.push(...localGaps(desired, joined));
    }
  }
  const healthCheck = healthCheckOf(service, endpoints, node);
  return { services, healthCheck, localGaps: gaps, problems: problems.list(), leftToNode };
}
