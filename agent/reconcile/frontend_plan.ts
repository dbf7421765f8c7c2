import type { HeldFrontends } from "./held_frontends.ts";
import { isAnonymous, type ServiceTable } from "./service_table.ts";

/** A Service port that has its index, and the frontends that it should answer at. */
export interface Claimant {
  readonly key: string;
  readonly service: number;
  readonly frontends: readonly string[];
}

export interface FrontendPlan {
  /** Frontends to be pointed to a service: new ones, and those that move, in place. */
  readonly updates: readonly (readonly [frontend: string, service: number])[];
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
 * one that is free, or about to be, goes to the first claimant (the caller sorts them by key).
 */
export function planFrontends(
  claimants: readonly Claimant[],
  removed: ReadonlySet<number>,
  held: HeldFrontends,
  table: ServiceTable,
): FrontendPlan {
  const wanted = new Map(claimants.map(({ service, frontends }) => [service, frontends]));
  const releases = (owner: number, frontend: string): boolean =>
    removed.has(owner) ||
    isAnonymous(table.key(owner) ?? "#") ||
    wanted.get(owner)?.includes(frontend) === false;
  const claims = new Map<string, number>();
  const conflicts: Conflict[] = [];
  for (const claimant of claimants) {
    for (const frontend of claimant.frontends) {
      const owner = held.owner(frontend);
      const kept = owner === undefined || releases(owner, frontend) ? undefined : owner;
      const holder = claims.get(frontend) ?? kept ?? claimant.service;
      if (holder === claimant.service) claims.set(frontend, holder);
      else conflicts.push({ claimant, frontend, holder: table.key(holder) ?? `#${holder}` });
    }
  }
  const losing = [...removed, ...wanted.keys()].flatMap((owner) =>
    held.of(owner).filter((frontend) => releases(owner, frontend)),
  );
  return {
    updates: [...claims].filter(([frontend, service]) => held.owner(frontend) !== service),
    deletes: losing.filter((frontend) => !claims.has(frontend)),
    conflicts,
  };
}
