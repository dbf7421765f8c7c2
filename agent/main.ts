import { readFileSync } from "node:fs";
import { version } from "./assets.ts";
import { fetchDebug } from "./cli/client.ts";
import { runCli } from "./cli/main.ts";

const missing = () => Promise.reject(new Error("this is not built yet"));

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  version,
  readFile: (path) => readFileSync(path, "utf8"),
  fetchDebug,
  readPinned: missing,
  runAgent: missing,
  cleanup: missing,
});
