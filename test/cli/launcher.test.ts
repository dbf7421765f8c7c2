import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };

const root = join(import.meta.dirname, "../..");
const launcher = join(root, "agent/bin/sluice.js");

interface Ended {
  readonly code: number | string | null | undefined;
  readonly out: string;
  readonly err: string;
}

const run = (file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  new Promise<Ended>((resolve) => {
    const all = { ...process.env, ...env };
    execFile(file, [...args], { env: all, timeout: 20_000 }, (error, out, err) => {
      resolve({ code: error ? error.code : 0, out, err });
    });
  });

describe("the command as a process", () => {
  it("prints its version and help, and is done", async () => {
    expect(await run(launcher, ["--version"])).toEqual({
      code: 0,
      out: `${manifest.version}\n`,
      err: "",
    });
    const help = await run(launcher, ["service", "list", "--help"]);
    expect([help.code, help.err]).toEqual([0, ""]);
    expect(help.out).toContain("Usage: sluice service list [options]");
  });

  it("ends with 2 on wrong usage", async () => {
    const { code, out, err } = await run(launcher, ["status", "-o", "xml"]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("Allowed choices are table, json, yaml.");
  });

  it("does not mind a reader that goes away", async () => {
    const child = spawn(launcher, ["--help"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const [err, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    expect([code, err]).toEqual([0, ""]);
  });

  it("ends with 1 where no agent answers", async () => {
    const paths = ["--socket-path", "/nonexistent/agent.sock", "--pin-path", "/nonexistent/pins"];
    const { code, out } = await run(launcher, ["status", ...paths]);
    expect(code).toBe(1);
    expect(out).toContain("down: no agent answers on /nonexistent/agent.sock");
  });
});

describe("the launcher", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-launcher-"));
    mkdirSync(join(folder, "agent/bin"), { recursive: true });
    mkdirSync(join(folder, "dist"));
    mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    copyFileSync(launcher, join(folder, "agent/bin/sluice.js"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const program = (path: string, name: string) =>
    writeFileSync(
      join(folder, path),
      `console.log(${JSON.stringify(name)}, ...process.argv.slice(2));\n`,
    );
  const launch = (env: NodeJS.ProcessEnv = {}) =>
    run(process.execPath, [join(folder, "agent/bin/sluice.js"), "a", "b"], env);

  /** As if this Node were an old one: what is started with it says that it is version 20. */
  const old = () => {
    const preload = join(folder, "old.cjs");
    writeFileSync(
      preload,
      `if (!process.env.RESTARTED) {
        process.env.RESTARTED = "1";
        Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } });
        Object.defineProperty(process, "version", { value: "v20.1.0" });
        Object.defineProperty(process, "execve", { value: undefined });
      }`,
    );
    return { NODE_OPTIONS: `--require ${preload}` };
  };

  it("runs the sources where they are", async () => {
    program("agent/main.ts", "sources");
    program("dist/sluice.mjs", "bundle");
    expect(await launch()).toEqual({ code: 0, out: "sources a b\n", err: "" });
  });

  it("runs the bundle where it is asked to, or where there are no sources", async () => {
    program("dist/sluice.mjs", "bundle");
    expect((await launch()).out).toBe("bundle a b\n");
    program("agent/main.ts", "sources");
    expect((await launch({ SLUICE_BUNDLE: "1" })).out).toBe("bundle a b\n");
  });

  it("says how to make the bundle where there is none", async () => {
    const bundle = join(folder, "dist/sluice.mjs");
    expect(await launch()).toEqual({
      code: 1,
      out: "",
      err: `error: there is no ${bundle}; make it by "npm run build"\n`,
    });
  });

  it("starts the agent, and nothing else, with what keeps its memory small", async () => {
    writeFileSync(
      join(folder, "agent/main.ts"),
      "console.log(...process.execArgv, process.env.MALLOC_ARENA_MAX, ...process.argv.slice(2));\n",
    );
    const sluice = join(folder, "agent/bin/sluice.js");
    const { out, err } = await run(process.execPath, ["--no-warnings", sluice, "agent", "-x"]);
    expect([out, err]).toEqual([
      "--no-warnings --max-semi-space-size=1 --optimize-for-size 1 agent -x\n",
      "",
    ]);
    expect((await launch()).out).toBe("undefined a b\n");
    const set = await run(process.execPath, [sluice, "agent"], { MALLOC_ARENA_MAX: "4" });
    expect(set.out).toBe("--max-semi-space-size=1 --optimize-for-size 4 agent\n");
  });

  it("goes over to the package's own Node where it was started by an older one", async () => {
    writeFileSync(
      join(folder, "agent/main.ts"),
      "console.log(process.version); process.exit(7);\n",
    );
    symlinkSync(process.execPath, join(folder, "node_modules/.bin/node"));
    expect(await launch(old())).toEqual({ code: 7, out: `${process.version}\n`, err: "" });
  });

  it("says what to install where there is only an older Node", async () => {
    program("agent/main.ts", "sources");
    const { code, err } = await launch(old());
    expect(code).toBe(1);
    expect(err).toBe(
      `error: sluice needs Node 24, this is v20.1.0; run "npm install" in ${folder}/, or put a newer node on the PATH\n`,
    );
  });
});
