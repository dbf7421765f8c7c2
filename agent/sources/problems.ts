import { isDeepStrictEqual } from "node:util";
import type { SourceProblem } from "./source.ts";

const shownAtMost = 100;

/** The standing problems of a source, by what they belong to (a file, an object); each is reported once. */
export class Problems {
  readonly #byOwner = new Map<string, readonly SourceProblem[]>();
  readonly #report: (problem: SourceProblem) => void;

  constructor(report: (problem: SourceProblem) => void) {
    this.#report = report;
  }

  /** Replaces what stands for `owner`; none: it is mended or gone. */
  set(owner: string, problems: readonly SourceProblem[]): void {
    const standing = this.#byOwner.get(owner) ?? [];
    if (isDeepStrictEqual(standing, problems)) return;
    this.#byOwner.delete(owner);
    if (problems.length > 0) this.#byOwner.set(owner, problems);
    for (const problem of problems) {
      if (!standing.some((other) => isDeepStrictEqual(other, problem))) this.#report(problem);
    }
  }

  owners(): string[] {
    return [...this.#byOwner.keys()];
  }

  /** The newest last. */
  list(): SourceProblem[] {
    return [...this.#byOwner.values()].flat().slice(-shownAtMost);
  }
}
