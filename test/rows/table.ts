import type { Proof } from "./proof.ts";

const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;

const filesOf = ({ tests }: Proof): readonly string[] => [
  ...new Set(tests.map(({ file }) => file)),
];

const cell = (text: string): string => text.replaceAll("|", "\\|");

function line(proof: Proof): string {
  const { row, tests, verdict } = proof;
  const skipped = tests.filter(({ state }) => state === "skipped").length;
  const named = `${counted(tests.length, "test")} in ${counted(filesOf(proof).length, "file")}`;
  const what = row.moot === undefined ? row.what : `${row.what}; moot: ${row.moot}`;
  const result = skipped > 0 ? `${verdict}, ${skipped} skipped` : verdict;
  return `| ${row.id} | ${cell(what)} | ${named} | ${result} |`;
}

function evidence(proof: Proof): string {
  const lines = proof.tests.map(({ name, file, state }) => `- ${state}: ${name} (${file})`);
  return `## ${proof.row.id}\n\n${lines.join("\n")}\n`;
}

/** For readers: what holds, and below it every test that says so. */
export function table(proofs: readonly Proof[]): string {
  const head = "| Row | What | Tests | Result |\n| --- | --- | --- | --- |";
  const named = proofs.filter(({ tests }) => tests.length > 0);
  return `${head}\n${proofs.map(line).join("\n")}\n\n${named.map(evidence).join("\n")}`;
}

/** "rows KP: 38 passed, 7 moot; PF: 30 passed, 3 without a test (PF-06, PF-32, PF-42)" */
export function summary(title: string, proofs: readonly Proof[]): string {
  const ids = (verdict: Proof["verdict"]) =>
    proofs.filter((proof) => proof.verdict === verdict).map(({ row }) => row.id);
  const parts = [`${ids("passed").length} passed`];
  for (const [verdict, word] of [
    ["failed", "failed"],
    ["moot", "moot"],
    ["no test", "without a test"],
  ] as const) {
    const which = ids(verdict);
    if (which.length > 0) parts.push(`${which.length} ${word} (${which.join(", ")})`);
  }
  return `${title}: ${parts.join(", ")}`;
}
