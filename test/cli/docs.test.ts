import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };

const root = join(import.meta.dirname, "../..");
const pages = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"];

/** Every command that the page tells the reader to type, without its trailing remark. */
function commands(page: string): string[] {
  const text = readFileSync(join(root, page), "utf8");
  const indented = [...text.matchAll(/^ {4}((?:[A-Z_]+=\S+ )?(?:npm|npx) .*)$/gm)];
  const quoted = [...text.matchAll(/`((?:npm run|npm test|npx|sluice) ?[^`]*)`/g)];
  return [...indented, ...quoted].map(([, command = ""]) => command.split("  ")[0]?.trim() ?? "");
}

const all = pages.flatMap((page) => commands(page).map((command) => ({ page, command })));
const ofKind = (pattern: RegExp) => all.filter(({ command }) => pattern.test(command));

/** The words before flags and values: `sluice service get`. */
const nouns = (command: string): string[] =>
  command
    .replace(/^(npx )?sluice ?/, "")
    .split(" ")
    .filter((word) => /^(agent|status|service|flow|list|get|cleanup)$/.test(word));

const flags = (command: string): string[] => command.match(/--[a-z-]+/g) ?? [];

describe("the documentation", () => {
  it("has commands to check", () => {
    expect(ofKind(/^npm /).length).toBeGreaterThan(5);
    expect(ofKind(/sluice/).length).toBeGreaterThan(5);
  });

  it.each(ofKind(/^npm (run|test)/))("$page: $command is a script", ({ command }) => {
    const script = command === "npm test" ? "test" : command.split(" ")[2];
    expect(Object.keys(manifest.scripts)).toContain(script);
  });

  it.each(ofKind(/^(npx )?sluice\b/))(
    "$page: $command is a command with those flags",
    ({ command }) => {
      const help = execFileSync(
        process.execPath,
        [join(root, "agent/main.ts"), ...nouns(command), "--help"],
        { encoding: "utf8" },
      );
      for (const flag of flags(command)) expect(help).toContain(flag);
      if (nouns(command).length > 0) expect(help).toContain(`sluice ${nouns(command).join(" ")}`);
    },
  );

  it.each(ofKind(/vitest run --project/))(
    "$page: $command names tests that are there",
    ({ command }) => {
      const [, project = "", filter = ""] = /--project (\w+)(?: (\S+))?/.exec(command) ?? [];
      const listed = execFileSync(
        join(root, "node_modules/.bin/vitest"),
        ["list", "--filesOnly", "--project", project, ...(filter ? [filter] : [])],
        { cwd: root, encoding: "utf8" },
      );
      expect(listed).toMatch(/\.test\.ts/);
    },
  );
});
