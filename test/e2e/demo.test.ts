import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Child, finish, start } from "../harness/child.ts";
import { findMade } from "../harness/leftovers.ts";

const script = join(import.meta.dirname, "../demo/demo.ts");
const mark = `SLUICE_DEMO_TEST=${process.pid}`;

const startDemo = (command: string, ...args: readonly string[]): Child =>
  start(command, args, { env: { ...process.env, SLUICE_DEMO_TEST: `${process.pid}` } });

/** Those that the demo started, and the demo itself: they all have its environment. */
async function processes(): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const environments = await Promise.all(
    pids.map(async (pid) => [pid, await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "")]),
  );
  return environments.flatMap(([pid, text]) => (text?.split("\0").includes(mark) ? [pid!] : []));
}

/** Namespaces, cgroups, folders, pins and processes. */
const leftBy = async (demo: Child) => [
  ...(await findMade((name) => name.startsWith(`sluice-t-${demo.pid}-`))),
  ...(await processes()),
];

/** The rows below the title that begins so, in cells. */
function rowsOf(output: string, title: string): readonly (readonly string[])[] {
  const chapter = output.slice(output.indexOf(`\n${title}`)).split("\n\n")[1] ?? "";
  return chapter
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/ {2,}/));
}

const addresses = [
  ["10.96.0.80:80", "TCP"],
  ["10.96.0.80:80", "UDP"],
  ["[fd00:10:96::80]:80", "TCP"],
  ["[fd00:10:96::80]:80", "UDP"],
];

describe("npm run demo", () => {
  let demo: Child;
  afterEach(() => demo?.stop());

  it("shows every backend answering, a removal without a failure, and leaves nothing", async () => {
    demo = startDemo(process.execPath, script);
    const { code, stdout, stderr } = await finish(demo, 60_000);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await leftBy(demo)).toEqual([]);

    const spread = rowsOf(stdout, "1. ");
    expect(spread.map((row) => row.slice(0, 2))).toEqual(addresses);
    for (const [, , first, second, third, failed] of spread) {
      expect([first, second, third].every((count) => Number(count) > 100)).toBe(true);
      expect(failed).toBe("0");
    }
    const removal = rowsOf(stdout, "2. ");
    expect(removal.map((row) => row.slice(0, 2))).toEqual(addresses);
    for (const [, , before, after, failed, toRemoved] of removal) {
      expect(Math.min(Number(before), Number(after))).toBeGreaterThan(300);
      expect([failed, toRemoved]).toEqual(["0", "0"]);
    }
    const refusals = rowsOf(stdout, "3. ");
    expect(refusals.map((row) => row[2])).toEqual(Array(4).fill("ECONNREFUSED"));
    expect(stdout).toContain("$ npx sluice status\n");
    expect(stdout).toMatch(/\$ npx sluice service get demo\/web\n +Service: +demo\/web\n/);
    expect(stdout.split("What to try next\n")[1]).toBe(`\
  npx sluice agent --source directory:/etc/sluice   serve a folder of your own on this host
  npx sluice status                                 see how it is, from another terminal
  npx sluice cleanup                                take every trace of it out of the kernel
  npm run bench                                     measure it properly
  npm test                                          prove it, a real control plane included
`);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`removes everything when ${signal} interrupts it, and says so`, async () => {
      demo = startDemo(process.execPath, script);
      await demo.printed("1. Requests");
      expect(await leftBy(demo)).not.toEqual([]);
      const exit = await demo.stop(signal, 20_000);
      expect(exit).toEqual({ code: 1, signal: null });
      expect(demo.stderr).toBe(
        `\ndemo: interrupted by ${signal}; everything that it made is removed\n`,
      );
      expect(await leftBy(demo)).toEqual([]);
    });
  }

  it("says that it needs root", async () => {
    // Without a mapping every id is the overflow id, and the files can be read all the same.
    demo = startDemo("unshare", "--user", process.execPath, script);
    expect(await finish(demo)).toMatchObject({
      code: 1,
      stdout: "",
      stderr:
        "demo: root is needed, to make namespaces and to load eBPF programs: sudo npm run demo\n",
    });
  });

  it("says how to mount cgroup2 where it is not", async () => {
    const unmounted = 'umount --all --types cgroup2 && exec "$@"';
    demo = startDemo("unshare", "--mount", "sh", "-c", unmounted, "sh", process.execPath, script);
    expect(await finish(demo)).toMatchObject({
      code: 1,
      stdout: "",
      stderr:
        "demo: no cgroup2 file system is mounted: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified\n",
    });
  });
});
