import { readFileSync, writeFileSync } from "node:fs";
import { bpfObjectPath, version } from "./assets.ts";
import { fetchDebug } from "./cli/client.ts";
import { runCli } from "./cli/main.ts";

// What needs the native addon is loaded when it is needed: --help works without.
process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  version,
  readFile: (path) => readFileSync(path, "utf8"),
  writeFile: (path, text) => writeFileSync(path, text),
  fetchDebug,
  readPinned: async (pinPath) => (await import("./datapath/pinned.ts")).readPinned(pinPath),
  listFlows: async (pinPath, query) =>
    (await import("./flow_pinned.ts")).listPinnedFlows(pinPath, query),
  runAgent: async (config, start) => (await import("./run.ts")).runAgent(config, start),
  cleanup: async (pinPath) => {
    const { removePinned } = await import("./datapath/remove.ts");
    return removePinned(pinPath, bpfObjectPath("sock"));
  },
});
