import type { Frontend } from "../../bpf/build/layout.ts";
import { isLimited, sameValue, type WantedFrontend } from "./frontend_value.ts";
import type { HeldFrontends } from "./held_frontends.ts";
import { isAnonymous, type ServiceTable } from "./service_table.ts";

/** A Service port that has its index, and the frontends that it should answer at. */
export interface Claimant {
  readonly key: string;
  readonly service: number;
  readonly frontends: readonly WantedFrontend[];
}

export interface FrontendPlan {
  /** Frontends to be written: new ones, those that move and those that change, in place. */
  readonly updates: readonly (readonly [frontend: string, value: Frontend])[];
  /** Frontends that no claimant takes over. */
  readonly deletes: readonly string[];
  readonly conflicts: readonly Conflict[];
}

export interface Conflict {
  readonly claimant: Claimant;
  readonly frontend: string;
  /** The `portKey` of the one that has it. */
  readonly holder: string;
}

/**
 * Which frontends change hands. A frontend stays with the service that holds it and still wants it;
 * one that is free, or about to be, goes to the first claimant (the caller sorts them by key). What
 * source ranges are to limit stays as it is for the services whose ranges are incomplete.
 */
export function planFrontends(
  claimants: readonly Claimant[],
  removed: ReadonlySet<number>,
  incomplete: ReadonlySet<number>,
  held: HeldFrontends,
  table: ServiceTable,
): FrontendPlan {
  const wanted = new Map(claimants.map(({ service, frontends }) => [service, frontends]));
  const releases = (owner: number, frontend: string): boolean =>
    removed.has(owner) ||
    isAnonymous(table.key(owner) ?? "#") ||
    wanted.get(owner)?.some(({ text }) => text === frontend) === false;
  const claims = new Map<string, Frontend>();
  const conflicts: Conflict[] = [];
  for (const claimant of claimants) {
    const { service } = claimant;
    for (const { text, kind, flags } of claimant.frontends) {
      const owner = held.owner(text);
      const kept = owner === undefined || releases(owner, text) ? undefined : owner;
      const holder = claims.get(text)?.service ?? kept ?? service;
      const value = { service, kind, flags };
      if (holder !== service) {
        conflicts.push({ claimant, frontend: text, holder: table.key(holder) ?? `#${holder}` });
      } else if (!isLimited(value) || !incomplete.has(service)) claims.set(text, value);
    }
  }
  const losing = [...removed, ...wanted.keys()].flatMap((owner) =>
    held.of(owner).filter((frontend) => releases(owner, frontend)),
  );
  const stands = (text: string, value: Frontend) => {
    const now = held.value(text);
    return now !== undefined && sameValue(now, value);
  };
  return {
    updates: [...claims].filter(([text, value]) => !stands(text, value)),
    deletes: losing.filter((frontend) => !claims.has(frontend)),
    conflicts,
  };
}
