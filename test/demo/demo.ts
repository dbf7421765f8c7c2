// `npm run demo`: sluice at work on one machine, without a cluster. Needs root.
import { existsSync, readFileSync } from "node:fs";
import { findCgroup2 } from "../../agent/config/cgroup.ts";
import { ownPrefix, removeMade } from "../harness/leftovers.ts";
import { showCommand } from "./command.ts";
import { Page } from "./page.ts";
import { showRefusal } from "./refusal.ts";
import { showRemoval } from "./removal.ts";
import { showSpread } from "./spread.ts";
import { Stage, web } from "./stage.ts";

const page = new Page((text) => process.stdout.write(text));
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));
}
process.stdout.on("error", (error) => interrupted.abort(error));

/** What is missing on this machine and how to get it; undefined: nothing. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) {
    return "root is needed, to make namespaces and to load eBPF programs: sudo npm run demo";
  }
  const mounts = existsSync("/proc/mounts") ? readFileSync("/proc/mounts", "utf8") : "";
  if (findCgroup2(mounts) !== undefined) return undefined;
  return (
    "no cgroup2 file system is mounted: " +
    "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"
  );
}

async function play(): Promise<void> {
  page.title("sluice serves Kubernetes Services from a folder of YAML: no cluster, no kube-proxy");
  await using stage = await Stage.set(interrupted.signal);
  await Promise.race([chapters(stage), interruption()]);
}

async function chapters(stage: Stage): Promise<void> {
  await introduce(stage);
  await showSpread(stage, page);
  await showRemoval(stage, page);
  await showRefusal(stage, page);
  await showCommand(stage, page);
}

function interruption(): Promise<never> {
  const { signal } = interrupted;
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason));
  });
}

async function introduce(stage: Stage): Promise<void> {
  await stage.writeServices();
  const startedAt = performance.now();
  await stage.startAgent();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const pods = [stage.client, ...stage.backends];
  page.table(
    ["POD", "IPV4", "IPV6"],
    pods.map(({ name, ip4, ip6 }) => [name, ip4, ip6]),
  );
  page.say(
    "",
    `Service demo/web has the addresses ${web.clusterIPs.join(" and ")}; web-1 to web-3 stand behind it.`,
    `The agent read web.yaml and idle.yaml and had them at work in the kernel ${seconds} s after its start.`,
  );
}

function farewell(): void {
  page.title("Everything is removed again. What to try next");
  page.hints([
    ["npx sluice agent --source directory:/etc/sluice", "serve a folder of your own on this host"],
    ["npx sluice status", "see how it is, from another terminal"],
    ["npx sluice cleanup", "take every trace of it out of the kernel"],
    ["npm run bench", "measure it properly"],
    ["npm test", "prove it, a real control plane included"],
  ]);
}

/** Whatever ended the play, the reason to tell is the interruption where there was one. */
const reasonOf = (error: unknown): string => {
  const reason: unknown = interrupted.signal.aborted ? interrupted.signal.reason : error;
  return reason instanceof Error ? reason.message : String(reason);
};

async function main(): Promise<number> {
  const lack = missing();
  if (lack !== undefined) {
    process.stderr.write(`demo: ${lack}\n`);
    return 1;
  }
  try {
    await play();
    farewell();
    return 0;
  } catch (error) {
    await removeMade((name) => name.startsWith(ownPrefix));
    process.stderr.write(`\ndemo: ${reasonOf(error)}; everything that it made is removed\n`);
    return 1;
  }
}

// Not by exitCode alone: a chapter that was interrupted may still be waiting for something.
process.exit(await main());
