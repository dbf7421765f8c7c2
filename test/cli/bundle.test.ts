import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };

/** Needs the addon and the eBPF objects to be built, as `npm test` does first. */
describe("the bundle", () => {
  const root = join(import.meta.dirname, "../..");
  let dist = "";
  const run = (...args: string[]) =>
    execFileSync(process.execPath, args, { cwd: dist, encoding: "utf8" });

  beforeAll(() => {
    dist = mkdtempSync(join(tmpdir(), "sluice-bundle-"));
    run(join(root, "agent/bundle.ts"), dist);
  });
  afterAll(() => rmSync(dist, { recursive: true }));

  it("runs by itself, far from any node_modules", () => {
    expect(run("sluice.mjs", "--version")).toBe(`${manifest.version}\n`);
    expect(run("sluice.mjs", "agent", "--help")).toContain("--max-endpoints <N>");
  });

  it("has what it loads beside it", () => {
    expect(existsSync(join(dist, "libbpf_ts.node"))).toBe(true);
    expect(existsSync(join(dist, "sock.bpf.o"))).toBe(true);
  });

  it("carries the licence of each package that it holds", () => {
    const texts = readFileSync(join(dist, "LICENSES.txt"), "utf8");
    expect(texts).toMatch(/^commander \S+ \(MIT\)\n\n\(The MIT License\)\n\nCopyright/m);
    expect(texts).toMatch(/^yaml \S+ \(ISC\)\n\nCopyright/m);
    // Lines are cut wherever they get too long, in a string by a backslash.
    const bundle = readFileSync(join(dist, "sluice.mjs"), "utf8").replaceAll("\\\n", "");
    const held = [...bundle.matchAll(/"[^"\s]*node_modules\/((?:@[^/"]+\/)?[^/"]+)\//g)];
    expect(held.length).toBeGreaterThan(10);
    for (const [, name] of held) expect(texts).toMatch(new RegExp(`^${name} \\S+ \\(`, "m"));
  });
});
