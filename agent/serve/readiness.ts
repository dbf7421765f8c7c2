import { longestSilence } from "../sources/kubernetes/heartbeat.ts";
import type { AgentStatus, ReadinessCheck, ResourceDump } from "./dump.ts";

export interface ReadinessReport {
  readonly ready: boolean;
  readonly checks: readonly ReadinessCheck[];
}

/** What the checks look at. */
export type ReadinessFacts = Pick<
  AgentStatus,
  "source" | "sync" | "failures" | "datapath" | "probe"
>;

/** Named before the rest is only counted. */
const namedAtMost = 3;

/**
 * Whether what is programmed is complete and current (PF-03, PF-06, PF-08). Each check by itself: an
 * operator wants to see all that is wrong at once.
 */
export function readinessOf(facts: ReadinessFacts): readonly ReadinessCheck[] {
  return [
    check("listed", notListed(facts)),
    check("confirmed", notConfirmed(facts)),
    check("programmed", notProgrammed(facts)),
    check("attached", notAttached(facts)),
    check("probe", notProbed(facts)),
  ];
}

const check = (name: ReadinessCheck["name"], reason: string | null): ReadinessCheck => ({
  name,
  healthy: reason === null,
  reason,
});

export const readyz = (checks: readonly ReadinessCheck[]): ReadinessReport => ({
  ready: checks.every(({ healthy }) => healthy),
  checks,
});

/** Everything was listed once and published. */
function notListed({ source, sync }: ReadinessFacts): string | null {
  const unlisted = source.resources.filter(({ synced, withheld }) => !synced && !withheld);
  if (unlisted.length > 0) return `not listed yet: ${unlisted.map(withError).join("; ")}`;
  return sync.ready ? null : "not all that was listed is published yet";
}

/** A folder is at hand, and always current. */
function notConfirmed({ source }: ReadinessFacts): string | null {
  if (source.kind === "directory") return null;
  const old = source.resources.filter(({ withheld, ...it }) => !withheld && isOld(it));
  if (old.length === 0) return null;
  return `not confirmed by the API server: ${old.map(withAge).join("; ")}`;
}

const isOld = ({ confirmedSecondsAgo }: Pick<ResourceDump, "confirmedSecondsAgo">): boolean =>
  confirmedSecondsAgo === null || confirmedSecondsAgo * 1000 > longestSilence;

const withError = ({ resource, error }: ResourceDump): string =>
  error === null ? resource : `${resource} (${error})`;

const withAge = (it: ResourceDump): string =>
  it.confirmedSecondsAgo === null
    ? withError(it)
    : `${withError(it)} for ${Math.round(it.confirmedSecondsAgo)} s`;

/**
 * Two Services that claim one address are left out: whoever may make a Service could hold up every
 * rollout, and no other agent would do better.
 */
function notProgrammed({ failures }: ReadinessFacts): string | null {
  const own = failures.filter(({ code }) => code !== "conflict");
  return listed(own.map(({ service, message }) => `${service}: ${message}`));
}

function notAttached({ datapath }: ReadinessFacts): string | null {
  const programs = datapath.programs
    .filter(({ attached }) => !attached)
    .map(({ name, reason }) => `${name}: ${reason ?? "not attached"}`);
  const devices = datapath.devices.flatMap(({ name, problem }) =>
    problem === null ? [] : [`device ${name}: ${problem}`],
  );
  return listed([...programs, ...devices]);
}

/** One that is off sees nothing: what it cannot see does not speak against the node. */
function notProbed({ probe }: ReadinessFacts): string | null {
  if (probe.state === "starting") return "no connection has been tried yet";
  return probe.state === "failed" ? (probe.reason ?? "connections are not translated") : null;
}

function listed(all: readonly string[]): string | null {
  if (all.length === 0) return null;
  const more = all.length - namedAtMost;
  return `${all.slice(0, namedAtMost).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
