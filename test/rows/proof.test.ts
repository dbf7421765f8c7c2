import { describe, expect, it } from "vitest";
import { kubeProxyRows } from "./kube_proxy.ts";
import { pitfallRows } from "./pitfalls.ts";
import { prove, type RanTest, unknownRows, unproved } from "./proof.ts";
import { summary, table } from "./table.ts";

/** Named without its number here: these rows are planted, and this test is run with the real ones. */
const row = (number: number) => `KP-${number}`;
const planted = [
  { id: row(901), what: "answers" },
  { id: row(902), what: "refuses" },
  { id: row(903), what: "a|b" },
  { id: row(904), what: "counts", moot: "nothing is counted" },
  { id: row(905), what: "skips" },
  { id: row(907), what: "is shown to do nothing", moot: "nothing is done" },
];

const test = (name: string, state: RanTest["state"] = "passed", file = "a.test.ts"): RanTest => ({
  name,
  file,
  state,
});

const tests = [
  test(`answers (${row(901)}, ${row(902)})`),
  test(`${row(901)} > answers again (${row(901)})`, "passed", "b.test.ts"),
  test(`refuses (${row(902)})`, "failed"),
  test(`skips (${row(905)})`, "skipped"),
  test(`does nothing (${row(907)})`),
];

describe("the table of rows", () => {
  const proofs = prove(planted, tests);

  it("tells of each row which tests name it, and what follows", () => {
    expect(proofs.map(({ row, tests, verdict }) => [row.id, tests.length, verdict])).toEqual([
      [row(901), 2, "passed"],
      [row(902), 2, "failed"],
      [row(903), 0, "no test"],
      [row(904), 0, "moot"],
      [row(905), 1, "no test"],
      [row(907), 1, "moot"],
    ]);
    expect(table(proofs).split("\n").slice(0, 10)).toEqual([
      "| Row | What | Tests | Result |",
      "| --- | --- | --- | --- |",
      `| ${row(901)} | answers | 2 tests in 2 files | passed |`,
      `| ${row(902)} | refuses | 2 tests in 1 file | failed |`,
      `| ${row(903)} | a\\|b | 0 tests in 0 files | no test |`,
      `| ${row(904)} | counts; moot: nothing is counted | 0 tests in 0 files | moot |`,
      `| ${row(905)} | skips | 1 test in 1 file | no test, 1 skipped |`,
      `| ${row(907)} | is shown to do nothing; moot: nothing is done | 1 test in 1 file | moot |`,
      "",
      `## ${row(901)}`,
    ]);
    expect(summary("planted", proofs)).toBe(
      `planted: 1 passed, 1 failed (${row(902)}), 2 moot (${row(904)}, ${row(907)}), 2 without a test (${row(903)}, ${row(905)})`,
    );
  });

  it("misses a row without a passing test, and a reason that is empty", () => {
    expect(unproved(prove([...planted, { id: row(906), what: "", moot: " " }], tests))).toEqual([
      `no test passed that names ${row(903)}: a|b`,
      `no test passed that names ${row(905)}: skips`,
      `${row(906)} is moot without a reason`,
    ]);
    expect(unproved(proofs.slice(0, 1))).toEqual([]);
  });

  it("knows a row that is in no list", () => {
    expect(unknownRows(planted, [...tests, test(`odd (${row(999)})`, "failed")])).toEqual([
      `${row(999)} is in no list of rows, and is named by a.test.ts: odd (${row(999)})`,
    ]);
  });

  it("has each row once, and in order", () => {
    for (const rows of [kubeProxyRows, pitfallRows]) {
      const ids = rows.map(({ id }) => id);
      expect(ids).toEqual([...new Set(ids)].sort());
    }
    expect(kubeProxyRows.length).toBe(43);
    expect(pitfallRows.length).toBe(34);
  });
});
