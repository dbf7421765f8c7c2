import { type Cell, describeCell } from "./cells.ts";
import { expectedOf } from "./deliberate.ts";
import type { Place } from "./objects.ts";
import { type Outcome, sameOutcome } from "./outcome.ts";
import type { ServiceCase } from "./scenario.ts";
import type { Position } from "./side.ts";

/** A scenario at one of its steps, with its addresses. */
export interface Placed {
  readonly name: string;
  readonly step: number;
  readonly service: ServiceCase;
  readonly place: Place;
  /** Whether the scenario has a step of its own here: otherwise it stands as before. */
  readonly isNew: boolean;
}

export interface Asked {
  readonly placed: Placed;
  readonly cell: Cell;
}

/** What clients of either proxy see in a cell. */
export interface Seen {
  readonly scenario: string;
  readonly cell: Cell;
  readonly kubeProxy: Outcome;
  readonly sluice: Outcome;
}

/** A cell in which the two proxies do not agree. */
export interface Difference extends Seen {
  /** Which of the scenario's steps, from 0. */
  readonly step: number;
  /** kube-proxy's as changed by what is deliberate. */
  readonly expected: Outcome;
  /** The objects of the scenario. */
  readonly yaml: string;
}

/** What both proxies showed in each cell when it was last asked. */
export class Comparison {
  readonly #kubeProxy = new Map<string, Outcome>();
  readonly #sluice = new Map<string, Outcome>();

  /** Keeps what was observed, and gives those that do not agree. */
  disagreeing(
    asked: readonly Asked[],
    kubeProxy: readonly Outcome[],
    sluice: readonly Outcome[],
  ): readonly Asked[] {
    for (const [index, each] of asked.entries()) {
      this.#kubeProxy.set(keyOf(each), kubeProxy[index] ?? []);
      this.#sluice.set(keyOf(each), sluice[index] ?? []);
    }
    return asked.filter(
      (each) => !sameOutcome(this.#expected(each), this.#sluice.get(keyOf(each)) ?? []),
    );
  }

  #expected(each: Asked): Outcome {
    const others = (from: Position) => this.#kubeProxy.get(keyOf(each, from));
    const outcome = this.#kubeProxy.get(keyOf(each)) ?? [];
    return expectedOf(outcome, each.cell, each.placed.service, others);
  }

  differenceOf(each: Asked, yaml: string): Difference {
    const { placed, cell } = each;
    return {
      scenario: placed.name,
      step: placed.step,
      cell,
      kubeProxy: this.#kubeProxy.get(keyOf(each)) ?? [],
      expected: this.#expected(each),
      sluice: this.#sluice.get(keyOf(each)) ?? [],
      yaml,
    };
  }
}

const keyOf = ({ placed, cell }: Asked, from: Position = cell.from): string =>
  `${placed.name} ${describeCell({ ...cell, from })}`;

const text = (outcome: Outcome): string => outcome.join(", ") || "nothing";

/** The objects of each scenario, and below them a line for each cell. */
export function describeDifferences(differences: readonly Difference[]): string {
  const blocks = new Map<string, string[]>();
  for (const { yaml, scenario, step, cell, kubeProxy, expected, sluice } of differences) {
    const head = `# ${scenario}, step ${step}\n${yaml}`;
    const changed = sameOutcome(kubeProxy, expected) ? "" : `; expected ${text(expected)}`;
    const line = `#   ${describeCell(cell)}: kube-proxy ${text(kubeProxy)}${changed}; sluice ${text(sluice)}`;
    blocks.set(head, [...(blocks.get(head) ?? []), line]);
  }
  return [...blocks].map(([head, lines]) => `${head}${lines.join("\n")}\n`).join("\n");
}
