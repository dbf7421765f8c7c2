import type { Service } from "../../model/service.ts";
import type { SourceProblem } from "../source.ts";
import type { Entry } from "./file.ts";

/** What two Services claim, of what is one Service's only: the API server would have refused the second. */
export function serviceConflicts(entries: Iterable<Entry>): SourceProblem[] {
  const owners = new Map<string, Entry>();
  const problems: SourceProblem[] = [];
  for (const entry of entries) {
    if (entry.upsert.kind !== "service") continue;
    for (const [claim, what] of claimsOf(entry.upsert.service)) {
      const owner = owners.get(claim);
      if (owner === undefined) owners.set(claim, entry);
      else if (owner !== entry) problems.push(conflict(claim, what, entry, owner));
    }
  }
  return problems;
}

/** ClusterIPs, and ports of every node; a health check takes one as any nodePort does (KP-40). */
function claimsOf({ type, clusterIPs, ports, healthCheckNodePort }: Service): [string, string][] {
  const claims = clusterIPs.map((address): [string, string] => [address, "the clusterIP"]);
  if (type !== "NodePort" && type !== "LoadBalancer") return claims;
  const nodePorts = ports.flatMap(({ nodePort, protocol }) =>
    nodePort === 0 ? [] : `${nodePort}/${protocol}`,
  );
  if (healthCheckNodePort !== 0) nodePorts.push(`${healthCheckNodePort}/TCP`);
  return [...claims, ...nodePorts.map((port): [string, string] => [port, "a nodePort"])];
}

const conflict = (claim: string, what: string, entry: Entry, owner: Entry): SourceProblem => ({
  target: entry.target,
  message: `${entry.key} claims ${claim}, ${what} of ${owner.key} (${owner.target}); give each its own`,
});
