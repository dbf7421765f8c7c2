import { describe, expect, it } from "vitest";
import type { ProbeDump, ResourceDump } from "../../agent/serve/dump.ts";
import { type ReadinessFacts, readinessOf, readyz } from "../../agent/serve/readiness.ts";
import { status } from "./fixture.ts";

const resource = (more: Partial<ResourceDump> = {}): ResourceDump => ({
  resource: "services",
  synced: true,
  objects: 1,
  lists: 1,
  lastEventAt: null,
  confirmedSecondsAgo: 4,
  withheld: false,
  error: null,
  ...more,
});

const slices = { resource: "endpointslices" } as const;

const probe = (more: Partial<ProbeDump> = {}): ProbeDump => ({
  ...status.probe,
  state: "ok",
  reason: null,
  ...more,
});

const failure = (name: string, code: "full" | "conflict" | "write" = "full") => ({
  service: `default/${name}:/TCP/IPv4`,
  code,
  message: "no room",
  since: "2026-01-02T03:04:05.000Z",
  retries: 1,
});

const [device] = status.datapath.devices;

/** All is well, but for what is named. */
const facts = (more: Partial<ReadinessFacts> = {}): ReadinessFacts => ({
  source: { kind: "kubernetes", target: "https://10.0.0.1:6443", resources: [resource()] },
  sync: { ...status.sync, ready: true },
  failures: [],
  datapath: { ...status.datapath, programs: [{ name: "connect4", attached: true }], devices: [] },
  probe: probe(),
  ...more,
});

const source = (...resources: readonly ResourceDump[]) => ({
  source: { ...facts().source, resources },
});

const failing = (more: Partial<ReadinessFacts>) =>
  readinessOf(facts(more)).flatMap(({ name, healthy, reason }) =>
    healthy ? [] : [`${name}: ${reason}`],
  );

describe("readiness", () => {
  it("is there where all is listed, confirmed, programmed, attached and probed (PF-03, PF-06, PF-08)", () => {
    const checks = readinessOf(facts());
    expect(checks).toEqual([
      { name: "listed", healthy: true, reason: null },
      { name: "confirmed", healthy: true, reason: null },
      { name: "programmed", healthy: true, reason: null },
      { name: "attached", healthy: true, reason: null },
      { name: "probe", healthy: true, reason: null },
    ]);
    expect(readyz(checks)).toEqual({ ready: true, checks });
  });

  it.each<[string, Partial<ReadinessFacts>, readonly string[]]>([
    [
      "a resource was never listed",
      source(
        resource(),
        resource({ ...slices, synced: false, confirmedSecondsAgo: null, error: "cannot list" }),
      ),
      [
        "listed: not listed yet: endpointslices (cannot list)",
        "confirmed: not confirmed by the API server: endpointslices (cannot list)",
      ],
    ],
    [
      "what was listed is being written",
      { sync: { ...status.sync, ready: false } },
      ["listed: not all that was listed is published yet"],
    ],
    ["the last word is 8 s old", source(resource({ confirmedSecondsAgo: 8 })), []],
    [
      "the last word of two is older",
      source(
        resource({ confirmedSecondsAgo: 8.1 }),
        resource({ ...slices, confirmedSecondsAgo: 61.7, error: "reset" }),
        resource({ resource: "nodes" }),
      ),
      [
        "confirmed: not confirmed by the API server: services for 8 s; endpointslices (reset) for 62 s",
      ],
    ],
    [
      "the API server has no such resource",
      source(
        resource(),
        resource({
          resource: "servicecidrs",
          synced: false,
          confirmedSecondsAgo: null,
          withheld: true,
          error: "not found",
        }),
      ),
      [],
    ],
    [
      "a folder has not changed for a day",
      {
        source: {
          kind: "directory",
          target: "/etc/sluice",
          resources: [resource({ confirmedSecondsAgo: null })],
        },
      },
      [],
    ],
    [
      "more Services than are named find no room",
      { failures: ["a", "b", "c", "d", "e"].map((name) => failure(name)) },
      [
        "programmed: default/a:/TCP/IPv4: no room; default/b:/TCP/IPv4: no room; default/c:/TCP/IPv4: no room; and 2 more",
      ],
    ],
    ["two Services claim one address", { failures: [failure("a", "conflict")] }, []],
    [
      "a program and a device are bare",
      {
        datapath: {
          ...status.datapath,
          programs: [{ name: "connect6", attached: false, reason: "it was detached" }],
          devices: [{ ...device!, name: "eth1", problem: "EPERM" }],
        },
      },
      ["attached: connect6: it was detached; device eth1: EPERM"],
    ],
    [
      "no connection was tried yet",
      { probe: probe({ state: "starting" }) },
      ["probe: no connection has been tried yet"],
    ],
    [
      "a connection is not translated",
      { probe: probe({ state: "failed", reason: "IPv6: refused" }) },
      ["probe: IPv6: refused"],
    ],
    [
      "no connection can be made from here",
      { probe: probe({ state: "off", reason: "not in the cgroup" }) },
      [],
    ],
  ])("when %s (PF-03, PF-06, PF-08)", (_, given, expected) => {
    expect(failing(given)).toEqual(expected);
    expect(readyz(readinessOf(facts(given))).ready).toBe(expected.length === 0);
  });
});
