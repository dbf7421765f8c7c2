import type { SourceProblem } from "../source.ts";
import type { Entry } from "./file.ts";

/** ClusterIPs that two Services claim: the API server would have refused the second. */
export function addressConflicts(entries: Iterable<Entry>): SourceProblem[] {
  const owners = new Map<string, Entry>();
  const problems: SourceProblem[] = [];
  for (const entry of entries) {
    if (entry.upsert.kind !== "service") continue;
    for (const address of entry.upsert.service.clusterIPs) {
      const owner = owners.get(address);
      if (owner === undefined) owners.set(address, entry);
      else problems.push(conflict(address, entry, owner));
    }
  }
  return problems;
}

const conflict = (address: string, entry: Entry, owner: Entry): SourceProblem => ({
  target: entry.target,
  message: `${entry.key} claims ${address}, the clusterIP of ${owner.key} (${owner.target}); give each its own`,
});
