import { type Row, rowsNamed } from "./row.ts";

/** One test of a run. What was skipped proves nothing. */
export interface RanTest {
  readonly name: string;
  readonly file: string;
  readonly state: "passed" | "failed" | "skipped" | "pending";
}

export type Verdict = "passed" | "failed" | "moot" | "no test";

/** A row, the tests that name it, and what follows from them. */
export interface Proof {
  readonly row: Row;
  readonly tests: readonly RanTest[];
  readonly verdict: Verdict;
}

export function prove(rows: readonly Row[], tests: readonly RanTest[]): readonly Proof[] {
  const byRow = new Map<string, RanTest[]>(rows.map(({ id }) => [id, []]));
  for (const test of tests) {
    for (const id of rowsNamed(test.name)) byRow.get(id)?.push(test);
  }
  return rows.map((row) => {
    const naming = byRow.get(row.id) ?? [];
    return { row, tests: naming, verdict: verdictOf(row, naming) };
  });
}

function verdictOf(row: Row, tests: readonly RanTest[]): Verdict {
  if (tests.some(({ state }) => state === "failed" || state === "pending")) return "failed";
  if (row.moot !== undefined) return "moot";
  return tests.some(({ state }) => state === "passed") ? "passed" : "no test";
}

/** Why a whole run that gave these proofs is not enough; failed tests speak for themselves. */
export const unproved = (proofs: readonly Proof[]): readonly string[] =>
  proofs.flatMap(({ row, verdict }) => {
    if (row.moot?.trim() === "") return [`${row.id} is moot without a reason`];
    if (verdict === "no test") return [`no test passed that names ${row.id}: ${row.what}`];
    return [];
  });

/** Tests that name what is in no list: a slip of the pen, or a list that has fallen behind. */
export function unknownRows(known: readonly Row[], tests: readonly RanTest[]): readonly string[] {
  const ids = new Set(known.map(({ id }) => id));
  return tests.flatMap(({ name, file }) =>
    rowsNamed(name)
      .filter((id) => !ids.has(id))
      .map((id) => `${id} is in no list of rows, and is named by ${file}: ${name}`),
  );
}
