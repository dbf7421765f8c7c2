import type { ProgramReport } from "../datapath/report.ts";
import type { IpFamily } from "../model/address.ts";
import type { Outcome } from "./exchange.ts";

/** What one round saw. */
export interface Sighting {
  /** Why nothing can be exchanged from where the agent is. */
  readonly off?: string | undefined;
  /** Programs that are not attached to the cgroup. */
  readonly detached: readonly ProgramReport[];
  /** What is wrong with programs at devices. */
  readonly devices: readonly string[];
  /** Empty where nothing was exchanged. */
  readonly outcomes: readonly FamilyOutcome[];
  /** Why it saw nothing. */
  readonly doubt?: string;
}

export interface FamilyOutcome {
  readonly family: IpFamily;
  readonly outcome: Outcome;
}

export interface Verdict {
  readonly state: "starting" | "ok" | "failed" | "off";
  readonly reason: string | null;
  readonly families: readonly { readonly family: IpFamily; readonly success: boolean }[];
  /** Rounds in a row that nothing could be said after. */
  readonly unclear: number;
}

export const noVerdict: Verdict = { state: "starting", reason: null, families: [], unclear: 0 };

/** A process that was held up is heard again after one; more is the node's own doing. */
const PATIENCE = 5;

/** What a round makes of the verdict before it. */
export function verdictOf(seen: Sighting, before: Verdict): Verdict {
  const wrong = [
    ...seen.detached.map(detachedText),
    ...seen.devices,
    ...seen.outcomes.flatMap(steps),
  ];
  const families = familiesOf(seen, before);
  if (wrong.length > 0) return { state: "failed", reason: wrong.join("; "), families, unclear: 0 };
  if (seen.off !== undefined) return { state: "off", reason: seen.off, families: [], unclear: 0 };
  const [doubt] = [seen.doubt ?? [], seen.outcomes.flatMap(doubts)].flat();
  if (doubt === undefined) return { state: "ok", reason: null, families, unclear: 0 };
  const unclear = before.unclear + 1;
  if (unclear < PATIENCE) return { ...before, unclear };
  return { state: "off", reason: doubt, families: [], unclear };
}

const detachedText = ({ name, reason }: ProgramReport): string =>
  `${name} is not attached: ${reason}`;

const steps = ({ family, outcome }: FamilyOutcome): readonly string[] =>
  outcome.kind === "wrong" ? [`${family}: ${outcome.steps.join(", ")}`] : [];

const doubts = ({ outcome }: FamilyOutcome): readonly string[] =>
  outcome.kind === "unclear" ? [outcome.why] : [];

/** Where nothing was exchanged, a program that is missing speaks for the families that it serves. */
function familiesOf({ detached, outcomes }: Sighting, before: Verdict): Verdict["families"] {
  if (outcomes.length === 0) {
    return before.families.map(({ family, success }) => ({
      family,
      success: success && !detached.some(({ name }) => serves(name, family)),
    }));
  }
  const was = new Map(before.families.map(({ family, success }) => [family, success]));
  return outcomes.flatMap(({ family, outcome: { kind } }) => {
    if (kind === "absent") return [];
    const success = kind === "unclear" ? (was.get(family) ?? true) : kind === "translated";
    return [{ family, success }];
  });
}

const serves = (program: string, family: IpFamily): boolean =>
  !program.endsWith(family === "IPv4" ? "6" : "4");
