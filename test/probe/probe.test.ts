import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProgramReport } from "../../agent/datapath/report.ts";
import type { AgentEvent } from "../../agent/events/event.ts";
import { createLog } from "../../agent/log.ts";
import { isInCgroup, strayCgroup } from "../../agent/probe/cgroup.ts";
import type { Outcome } from "../../agent/probe/exchange.ts";
import { Probe, type ProbeOptions } from "../../agent/probe/probe.ts";
import { ProbeTeller } from "../../agent/probe/tell.ts";
import type { Verdict } from "../../agent/probe/verdict.ts";
import { cgroupRoot } from "../harness/cgroup.ts";
import { until } from "../harness/until.ts";

const attached = (name: string): ProgramReport => ({ name, attached: true });
const gone = (name: string): ProgramReport => ({
  name,
  attached: false,
  reason: "it was detached",
});
const translated: Outcome = { kind: "translated" };
const wrong: Outcome = { kind: "wrong", steps: ["sluice_connect4 does not translate: EINVAL"] };

/** What a probe sees, and what it did. */
let world: {
  programs: readonly ProgramReport[];
  devices: readonly string[];
  outcomes: Outcome[];
  mend: () => readonly string[];
  serve: () => void;
  exchanges: number;
  served: number;
};
let verdicts: Verdict[];
let probe: Probe | undefined;

beforeEach(() => {
  world = {
    programs: [attached("a"), attached("b")],
    devices: [],
    outcomes: [],
    mend: () => [],
    serve: () => {},
    exchanges: 0,
    served: 0,
  };
  verdicts = [];
});
afterEach(async () => {
  await probe?.close();
  probe = undefined;
});

async function start(more: Partial<ProbeOptions> = {}): Promise<Probe> {
  const datapath = {
    programs: () => world.programs,
    devices: { detached: () => world.devices },
    mend: () => world.mend(),
    serveProbe: () => {
      world.served++;
      world.serve();
    },
  } as unknown as ProbeOptions["datapath"];
  probe = await Probe.start({
    datapath,
    cgroupPath: "/nowhere",
    isChosen: false,
    onVerdict: (verdict) => verdicts.push(verdict),
    onReattached: () => {},
    periodMs: 1,
    exchange: async () => {
      world.exchanges++;
      return world.outcomes.shift() ?? translated;
    },
    ...more,
  });
  return probe;
}

const comesTo = (state: Verdict["state"]) =>
  until(() => verdicts.at(-1)?.state === state, {
    deadlineMs: 5_000,
    describe: () => `the probe to be ${state}; it is ${JSON.stringify(verdicts.at(-1))}`,
  });

describe("a probe", () => {
  it("is starting before its first round, and then says what that saw (PF-06)", async () => {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const started = await start({ exchange: () => promise });
    expect(started.report()).toMatchObject({ state: "starting", reason: null, failures: 0 });
    resolve(translated);
    await comesTo("ok");
    expect(started.report()).toMatchObject({ state: "ok", reason: null, failures: 0 });
  });

  it("believes no single exchange: the next one may be good (PF-06)", async () => {
    world.outcomes = [wrong, wrong];
    await start();
    await until(() => world.exchanges >= 8, { deadlineMs: 5_000, describe: "some rounds" });
    // One each of the two families: both are asked again.
    expect(verdicts.every(({ state }) => state === "ok")).toBe(true);
  });

  it("attaches what is gone at once, without asking, and counts it (PF-06)", async () => {
    world.programs = [attached("a"), gone("b")];
    world.mend = () => {
      world.programs = [attached("a"), attached("b")];
      return ["b"];
    };
    const started = await start();
    await comesTo("ok");
    expect(verdicts[0]).toMatchObject({
      state: "failed",
      reason: "b is not attached: it was detached",
    });
    const { failures, reattached } = started.report();
    expect(failures).toBe(1);
    expect(Object.fromEntries(reattached)).toEqual({ a: 0, b: 1 });
  });

  it("writes its Service again where connections go untranslated (PF-06)", async () => {
    world.outcomes = Array(4).fill(wrong);
    await start();
    await comesTo("ok");
    expect(verdicts[0]?.reason).toContain("sluice_connect4 does not translate: EINVAL");
    expect(world.served).toBe(2);
  });

  it("says what keeps a program from being attached, and tries again (PF-06)", async () => {
    world.programs = [gone("a")];
    let tries = 0;
    world.mend = () => {
      if (++tries < 3) throw new Error("the pins were removed: restart the agent");
      world.programs = [attached("a")];
      return ["a"];
    };
    await start();
    await comesTo("ok");
    expect(verdicts[1]?.reason).toBe(
      "a is not attached: it was detached; what is gone cannot be brought back: the pins were removed: restart the agent",
    );
    expect(verdicts.filter(({ state }) => state === "failed")).toHaveLength(3);
  });

  it("leaves devices to those who look after them (PF-06)", async () => {
    world.devices = ["eth0 has lost sluice_from_outside"];
    world.mend = () => {
      throw new Error("not its business");
    };
    await start();
    await comesTo("failed");
    expect(verdicts[0]?.reason).toBe("eth0 has lost sluice_from_outside");
    world.devices = [];
    await comesTo("ok");
  });

  it("is off where its Service has no room, and looks at the links all the same (PF-08)", async () => {
    world.serve = () => {
      throw new Error("frontends is full");
    };
    await start();
    await comesTo("off");
    expect(verdicts[0]?.reason).toBe("its Service cannot be written: frontends is full");
    world.programs = [gone("a")];
    await comesTo("failed");
    world.programs = [attached("a")];
    await comesTo("off");
    expect(world.exchanges).toBe(0);
  });

  it("survives what it cannot read, and is off where that lasts", async () => {
    await start();
    await comesTo("ok");
    Object.defineProperty(world, "programs", {
      get: () => {
        throw new Error("too many open files");
      },
    });
    await comesTo("off");
    expect(verdicts.at(-1)?.reason).toBe("too many open files");
  });
});

describe("the cgroup of an agent", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-cgroup-"));
    await mkdir(join(folder, "pods/agent"), { recursive: true });
    await mkdir(join(folder, "system"));
    for (const path of ["", "pods", "system"]) {
      await writeFile(join(folder, path, "cgroup.procs"), "1\n12\n");
    }
    await writeFile(join(folder, "pods/agent/cgroup.procs"), "7\n123\n");
  });
  afterEach(async () => await rm(folder, { recursive: true }));

  it.each([
    ["", 123, true],
    ["pods", 123, true],
    ["pods/agent", 123, true],
    ["system", 123, false],
    ["pods", 23, false],
    ["pods", 12, true],
    ["gone", 12, false],
  ])("at %j of process %i is below: %s (PF-06)", (path, pid, expected) => {
    expect(isInCgroup(join(folder, path), pid)).toBe(expected);
  });

  it("that nobody chose should be the root, which alone has no type (PF-06)", async () => {
    expect(strayCgroup(folder, false)).toBeUndefined();
    await writeFile(join(folder, "pods/cgroup.type"), "domain\n");
    const pods = join(folder, "pods");
    expect(strayCgroup(pods, true)).toBeUndefined();
    expect(strayCgroup(pods, false)).toBe(
      `${pods} is not the root of the hierarchy: what runs outside of it is not served, pods perhaps; name the node's own with --cgroup-path`,
    );
    expect(strayCgroup(await cgroupRoot(), false)).toBeUndefined();
  });

  it("is where the agent has to be for a probe; one that is elsewhere is off (PF-06)", async () => {
    await start({ cgroupPath: folder, isChosen: true });
    await comesTo("off");
    expect(verdicts[0]?.reason).toBe(
      `the agent is outside of ${folder}, so that its own connections are not translated`,
    );
    await probe?.close();
    await writeFile(join(folder, "system/cgroup.procs"), `${process.pid}\n`);
    await start({ cgroupPath: folder, isChosen: true });
    await comesTo("ok");
  });

  it("is looked at again where connections go untranslated: it may have been moved (PF-06)", async () => {
    await writeFile(join(folder, "system/cgroup.procs"), `${process.pid}\n`);
    await start({ cgroupPath: folder, isChosen: true });
    await comesTo("ok");
    await writeFile(join(folder, "system/cgroup.procs"), "");
    world.outcomes = Array(8).fill(wrong);
    await comesTo("off");
    expect(verdicts.map(({ state }) => state)).not.toContain("failed");
  });
});

describe("what is told of a probe", () => {
  it("is each verdict once, the bad ones as Events on the Node too (PF-06)", () => {
    const lines: string[] = [];
    const events: AgentEvent[] = [];
    const write = (text: string) => {
      const { level, message } = JSON.parse(text);
      lines.push(`${level} ${message}`);
    };
    const log = createLog({ level: "debug", format: "json", output: { write } });
    const teller = new ProbeTeller("node-a", log, (event) => events.push(event));
    const verdict = (state: Verdict["state"], reason: string | null): Verdict => ({
      state,
      reason,
      families: [],
      unclear: 0,
    });
    for (const each of [
      verdict("starting", null),
      verdict("ok", null),
      verdict("failed", "sluice_connect4 is not attached"),
      verdict("failed", "sluice_connect4 is not attached"),
      verdict("failed", "sluice_connect6 is not attached"),
      verdict("ok", null),
      verdict("ok", null),
      verdict("off", "the agent is elsewhere"),
    ]) {
      teller.tell(each);
    }
    expect(lines).toEqual([
      "error Services are not served as they should be: sluice_connect4 is not attached",
      "error Services are not served as they should be: sluice_connect6 is not attached",
      "info Services are served again",
      "warn probe off: the agent is elsewhere",
    ]);
    expect(events).toHaveLength(2);
    expect(events[0]).toEqual({
      regarding: { apiVersion: "v1", kind: "Node", namespace: "", name: "node-a" },
      reason: "ServiceProbeFailed",
      action: "Probe",
      note: "Services are not served as they should be: sluice_connect4 is not attached. sluice attaches its programs again; find out who detached them",
    });
  });
});
