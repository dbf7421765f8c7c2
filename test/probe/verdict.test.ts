import { describe, expect, it } from "vitest";
import type { Outcome } from "../../agent/probe/exchange.ts";
import { noVerdict, type Sighting, type Verdict, verdictOf } from "../../agent/probe/verdict.ts";

const translated: Outcome = { kind: "translated" };
const unclear: Outcome = { kind: "unclear", why: "no datagram passes 127.0.0.1 itself" };
const absent: Outcome = { kind: "absent" };
const wrong: Outcome = {
  kind: "wrong",
  steps: ["sluice_connect6 does not translate: there is no answer"],
};

const seen = (IPv4: Outcome, IPv6: Outcome, more: Partial<Sighting> = {}): Sighting => ({
  detached: [],
  devices: [],
  outcomes: [
    { family: "IPv4", outcome: IPv4 },
    { family: "IPv6", outcome: IPv6 },
  ],
  ...more,
});

const nothing: Sighting = { detached: [], devices: [], outcomes: [] };

const both = (IPv4: boolean, IPv6: boolean): Verdict["families"] => [
  { family: "IPv4", success: IPv4 },
  { family: "IPv6", success: IPv6 },
];

const ok = verdictOf(seen(translated, translated), noVerdict);

describe("a round", () => {
  it("is good where all families that there are translate (PF-06)", () => {
    expect(ok).toEqual({ state: "ok", reason: null, families: both(true, true), unclear: 0 });
    expect(verdictOf(seen(translated, absent), noVerdict)).toMatchObject({
      state: "ok",
      families: [{ family: "IPv4", success: true }],
    });
  });

  it("fails by one family, and says how (PF-06)", () => {
    expect(verdictOf(seen(translated, wrong), ok)).toEqual({
      state: "failed",
      reason: "IPv6: sluice_connect6 does not translate: there is no answer",
      families: both(true, false),
      unclear: 0,
    });
  });

  it.each([
    ["sluice_connect4", both(false, true)],
    ["sluice_recvmsg6", both(true, false)],
    ["sluice_sock_release", both(false, false)],
  ])("fails without %s, in the families that it serves (PF-06)", (name, families) => {
    const detached = [{ name, attached: false, reason: "its link is not pinned" }];
    expect(verdictOf({ ...nothing, detached }, ok)).toEqual({
      state: "failed",
      reason: `${name} is not attached: its link is not pinned`,
      families,
      unclear: 0,
    });
  });

  it("fails by a device, whatever connections show, and tells all that is wrong (PF-06)", () => {
    const devices = ["eth0 has lost sluice_from_outside"];
    expect(verdictOf(seen(translated, wrong, { devices }), ok)).toMatchObject({
      state: "failed",
      reason:
        "eth0 has lost sluice_from_outside; IPv6: sluice_connect6 does not translate: there is no answer",
      families: both(true, false),
    });
  });

  it("is off where nothing can be exchanged, but not for a program that is gone (PF-06)", () => {
    const off = "the agent is outside of /sys/fs/cgroup/pods";
    expect(verdictOf({ ...nothing, off }, noVerdict)).toEqual({
      state: "off",
      reason: off,
      families: [],
      unclear: 0,
    });
    const detached = [{ name: "sluice_connect4", attached: false, reason: "its cgroup is gone" }];
    expect(verdictOf({ ...nothing, off, detached }, noVerdict).state).toBe("failed");
  });
});

describe("a round that nothing can be said after", () => {
  it.each([
    ["nothing seen yet", noVerdict],
    ["a good one", ok],
    ["a failed one", verdictOf(seen(wrong, translated), ok)],
  ])("changes nothing after %s (PF-06)", (_, before) => {
    expect(verdictOf(seen(unclear, unclear), before)).toEqual({ ...before, unclear: 1 });
  });

  it("turns it off after five in a row, and counts anew after a clear one (PF-06)", () => {
    const rounds = [unclear, unclear, translated, unclear, unclear, unclear, unclear, unclear];
    const states: string[] = [];
    let verdict = ok;
    for (const outcome of rounds) {
      verdict = verdictOf(seen(outcome, translated), verdict);
      states.push(verdict.state);
    }
    expect(states).toEqual([...Array(7).fill("ok"), "off"]);
    expect(verdict.reason).toBe("no datagram passes 127.0.0.1 itself");
    expect(verdictOf(seen(translated, translated), verdict).state).toBe("ok");
  });

  it("hides no failure of the other family (PF-06)", () => {
    expect(verdictOf(seen(unclear, wrong), ok)).toMatchObject({
      state: "failed",
      families: both(true, false),
    });
  });
});
