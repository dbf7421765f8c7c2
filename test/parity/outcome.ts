import type { Addressed } from "./objects.ts";
import type { Answer } from "./probe.ts";
import type { Side } from "./side.ts";
import { otherNodeAddress, type Position } from "./side.ts";

/** Whose address a backend saw: the client's, one of the node's, or another. */
export type Source = "client" | "node" | "other";

/**
 * What a client observes, as sorted texts: "a-0 from client" for a backend that answered, "refused",
 * "dropped", or the errno's name.
 */
export type Outcome = readonly string[];

/** ICMP errors other than port unreachable, by whichever router. */
const unreachable = new Set(["EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM"]);

export function outcomeOf(answers: readonly Answer[], from: Position, side: Side): Outcome {
  return [...new Set(answers.map((answer) => textOf(answer, from, side)))].sort();
}

function textOf(answer: Answer, from: Position, side: Side): string {
  switch (answer.kind) {
    case "answered":
      return `${answer.backend} from ${sourceOf(answer.client, from, side)}`;
    case "failed":
      return answer.errno === "ECONNREFUSED" ? "refused" : failureOf(answer.errno);
    case "dropped":
      return "dropped";
  }
}

const failureOf = (errno: string): string => (unreachable.has(errno) ? "unreachable" : errno);

function sourceOf(client: string, from: Position, side: Side): Source {
  // A client of the host network has the node's addresses: there is nothing to be told apart.
  if (isOf(client, side.node) || isOf(client, otherNodeAddress)) return "node";
  if (client === "127.0.0.1" || client === "::1") return "node";
  return isOf(client, side.sites[from]) ? "client" : "other";
}

const isOf = (address: string, { ip4, ip6 }: Addressed): boolean =>
  address === ip4 || address === ip6;

export const sameOutcome = (one: Outcome, other: Outcome): boolean =>
  one.length === other.length && one.every((text, index) => text === other[index]);

/** Whom each of these reached, whatever their addresses. */
export const backendsOf = (outcomes: readonly Outcome[]): ReadonlySet<string> =>
  new Set(outcomes.flat().flatMap((text) => text.match(/^(\S+) from/)?.[1] ?? []));

/**
 * Which endpoint a client with affinity got is chance, also for its source; that it keeps it at all
 * addresses is not. `together` are the outcomes of all places that share the client's choice.
 */
export function sticky(outcome: Outcome, together: readonly Outcome[]): Outcome {
  const rest = outcome.filter((text) => !text.includes(" from "));
  if (rest.length === outcome.length) return outcome;
  const own = backendsOf([outcome]).size === 1 ? "one endpoint" : "several endpoints";
  const all = backendsOf(together).size === 1 ? "the same everywhere" : "others elsewhere";
  return [...rest, `${own}, ${all}`].sort();
}
