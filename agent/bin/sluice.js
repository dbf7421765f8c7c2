#!/usr/bin/env node
// Starts sluice on a Node that can run it. Plain JavaScript: an older Node has to read it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const neededMajor = 24;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const main = at("../main.ts");
const bundle = at("../../dist/sluice.mjs");
const packagedNode = at("../../node_modules/.bin/node");

/**
 * How the agent is to run, which lives long and holds much: V8 that collects early and gives pages
 * back, one malloc arena, and blocks that return to the system when they are freed. This halves
 * what stays resident with 10,000 Services; "npm run bench scale" measures it. glibc reads its part.
 */
const lean = {
  flags: ["--max-semi-space-size=1", "--optimize-for-size"],
  variables: {
    MALLOC_ARENA_MAX: "1",
    MALLOC_MMAP_THRESHOLD_: "32768",
    MALLOC_TRIM_THRESHOLD_: "65536",
  },
};

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}

/** The same command on the Node that is installed with the package; ends as that one ends. */
function runOn(node, args, env = process.env) {
  if (typeof process.execve === "function") process.execve(node, [node, ...args], env);
  const child = spawn(node, args, { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGHUP", "SIGQUIT"]) {
    process.on(signal, () => child.kill(signal));
  }
  // A terminal sends this one to both.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  child.on("error", (error) => fail(`${node} cannot be run: ${error.message}`));
  child.on("exit", (code, signal) => {
    for (const name of ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"]) process.removeAllListeners(name);
    if (signal) process.kill(process.pid, signal);
    else process.exit(code);
  });
}

const launcher = fileURLToPath(import.meta.url);
const args = process.argv.slice(2);
const isLean = lean.flags.every((flag) => process.execArgv.includes(flag));

if (Number.parseInt(process.versions.node, 10) < neededMajor) {
  if (!existsSync(packagedNode)) {
    fail(
      `sluice needs Node ${neededMajor}, this is ${process.version}; ` +
        `run "npm install" in ${at("../..")}, or put a newer node on the PATH`,
    );
  }
  runOn(packagedNode, [launcher, ...args]);
} else if (args[0] === "agent" && !isLean && typeof process.execve === "function") {
  const again = [...process.execArgv, ...lean.flags, launcher, ...args];
  runOn(process.execPath, again, { ...lean.variables, ...process.env });
} else {
  const bundled = process.env.SLUICE_BUNDLE === "1" || !existsSync(main);
  if (bundled && !existsSync(bundle)) fail(`there is no ${bundle}; make it by "npm run build"`);
  // A reader that has seen enough, such as head(1), is no failure.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  await import(bundled ? bundle : main);
}
