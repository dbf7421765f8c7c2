import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Row } from "./row.ts";

const root = join(import.meta.dirname, "../..");
/** Named without its number here: these rows are planted, and this test is run with the real ones. */
const row = (number: number) => `KP-${number}`;

let folder: string;
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A run of its own, of two files with one test each, held to these rows. */
function run(kubeProxy: readonly Row[], filter: readonly string[] = []) {
  mkdirSync(join(root, "test/build"), { recursive: true });
  folder = mkdtempSync(join(root, "test/build/planted-"));
  const plant = (name: string, text: string) => writeFileSync(join(folder, name), text);
  plant("one.test.ts", `import { it } from "vitest";\nit("one (${row(901)})", () => {});\n`);
  plant("two.test.ts", `import { it } from "vitest";\nit("two (${row(902)})", () => {});\n`);
  const options = {
    projects: ["planted"],
    kubeProxy,
    pitfalls: [],
    output: join(folder, "rows.md"),
  };
  const reporters = [["../../closing_line.ts", options]];
  const test = { reporters, projects: [{ test: { name: "planted", include: ["*.test.ts"] } }] };
  plant("vitest.config.ts", `export default ${JSON.stringify({ test })};`);
  const { status, stdout, stderr } = spawnSync(
    join(root, "node_modules/.bin/vitest"),
    ["run", "--root", folder, ...filter],
    { encoding: "utf8", timeout: 60_000 },
  );
  return { status, stdout: stdout.trim().split("\n"), stderr: stderr.trim() };
}

const [one, two] = [row(901), row(902)].map((id) => ({ id, what: `what ${id} is` }));
const MINUTE_MS = 60_000;

describe("a run of all tests", () => {
  it(
    "writes the table, says it in short, and ends with the closing line",
    () => {
      const { status, stdout, stderr } = run([one!, two!, { id: row(903), what: "x", moot: "y" }]);
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout.slice(0, 2)).toEqual([
        `kube-proxy's behaviours: 2 passed, 1 moot (${row(903)})`,
        "faults of others: 0 passed",
      ]);
      expect(stdout.at(-1)).toBe("2 passed, 0 failed");
      const written = readFileSync(join(folder, "rows.md"), "utf8");
      expect(written).toContain(
        `| ${row(901)} | what ${row(901)} is | 1 test in 1 file | passed |`,
      );
      expect(written).toContain(`- passed: two (${row(902)}) (two.test.ts)`);
    },
    MINUTE_MS,
  );

  it(
    "fails for a row that no test proves, and for a test whose row is in no list",
    () => {
      const { status, stdout, stderr } = run([one!, { id: row(903), what: "nobody tests it" }]);
      expect(status).toBe(1);
      expect(stderr.split("\n")).toEqual([
        `${row(902)} is in no list of rows, and is named by two.test.ts: two (${row(902)})`,
        `no test passed that names ${row(903)}: nobody tests it`,
      ]);
      expect(stdout.at(-1)).toBe("2 passed, 2 failed");
    },
    MINUTE_MS,
  );
});

describe("a run of some tests", () => {
  it.each([[["one.test.ts"]], [["-t", "one"]], [["--shard", "1/2"]]])(
    "is not held to the rows of others: %j",
    (filter) => {
      const { status, stdout, stderr } = run([one!, two!, { id: row(903), what: "x" }], filter);
      expect([status, stderr]).toEqual([0, ""]);
      expect(stdout.join("\n")).toMatch(/^1 passed, 0 failed(, 1 skipped)?$/);
    },
    MINUTE_MS,
  );
});
