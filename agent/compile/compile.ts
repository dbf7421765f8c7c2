import type { IpFamily } from "../model/address.ts";
import type { EndpointSlice } from "../model/endpoint.ts";
import type { Service } from "../model/service.ts";
import { clusterIPs, usablePorts } from "./frontend.ts";
import { joinEndpoints } from "./join.ts";
import { endpointPolicy } from "./policy.ts";
import { type CompileProblem, ProblemList } from "./problem.ts";
import type { DesiredService } from "./records.ts";
import { selectBackends } from "./selection.ts";
import type { Locality } from "./topology.ts";

export interface CompileSettings {
  /** The families that this node can serve; others are left out without a word (KP-02). */
  readonly families: ReadonlySet<IpFamily>;
}

export interface CompileResult {
  /** One for each family and port (KP-33); no two have the same `portKey`. */
  readonly services: readonly DesiredService[];
  readonly problems: readonly CompileProblem[];
}

const NOTHING: CompileResult = { services: [], problems: [] };

/**
 * What the kernel should hold for one Service, by KP-02, KP-03 and KP-10 to KP-13, from all of its
 * EndpointSlices. Depends on nothing else: whatever cannot be programmed is a problem of the
 * result and never an exception.
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
  for (const [family, address] of clusterIPs(service, settings.families, problems.report)) {
    for (const port of ports) {
      const { namespace, name, affinityTimeoutSeconds } = service;
      const { name: portName, protocol } = port;
      const policy = endpointPolicy(service, port, family);
      const joined = joinEndpoints(slices, port, family, problems.report);
      services.push({
        id: { namespace, name, portName, protocol, family },
        port: port.port,
        frontends: [{ kind: "ClusterIP", address, port: port.port }],
        backends: selectBackends(joined, policy, node),
        affinityTimeoutSeconds,
        internalLocal: policy.internalLocal,
        externalLocal: policy.externalLocal,
      });
    }
  }
  return { services, problems: problems.list() };
}
