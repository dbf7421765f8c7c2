import { describe, expect, it } from "vitest";
import { type HealthState, healthz, livez, passes } from "../../agent/serve/health.ts";
import { HealthTracker } from "../../agent/serve/health_tracker.ts";

const now = Date.parse("2026-01-02T03:10:00.000Z");
const ago = (seconds: number) => now - seconds * 1000;

const state = (
  node: HealthState["node"],
  published: number | undefined,
  queued: number | undefined,
  families: HealthState["families"] = {},
): HealthState => ({
  node,
  families: { IPv4: { lastPublishedAt: published, oldestQueuedAt: queued }, ...families },
});

describe("rule", () => {
  it.each([
    ["nothing was ever queued", state("eligible", undefined, undefined), true, true],
    ["everything is published", state("eligible", ago(3600), undefined), true, true],
    ["a change has waited for 59.999 s", state("eligible", ago(90), ago(59.999)), true, true],
    ["a change has waited for 60 s", state("eligible", ago(90), ago(60)), false, false],
    ["the first change was never published", state("eligible", undefined, ago(61)), false, false],
    ["the Node is unseen", state("unseen", ago(1), undefined), true, false],
    ["the Node is leaving", state("leaving", ago(1), undefined), true, false],
    ["the Node is leaving and a change is late", state("leaving", ago(90), ago(61)), false, false],
    [
      "one family of two is late",
      state("eligible", ago(1), undefined, {
        IPv6: { lastPublishedAt: ago(120), oldestQueuedAt: ago(100) },
      }),
      false,
      false,
    ],
    ["no family is served yet", { node: "eligible", families: {} } as const, true, true],
  ])("when %s: live %s, for balancers %s (KP-41)", (_, given, live, forBalancers) => {
    expect(passes(livez(given, now))).toBe(live);
    expect(passes(healthz(given, now))).toBe(forBalancers);
    // The Node's state stands apart, as kube-proxy has it.
    expect(healthz(given, now).healthy).toBe(live);
  });

  it("reports the families apart, and the last publication where it is late (KP-41)", () => {
    const given = state("eligible", ago(70), ago(65), {
      IPv6: { lastPublishedAt: ago(90), oldestQueuedAt: undefined },
    });
    expect(healthz(given, now)).toEqual({
      lastUpdated: "2026-01-02T03:08:50.000Z",
      currentTime: "2026-01-02T03:10:00.000Z",
      nodeEligible: true,
      healthy: false,
      status: {
        IPv4: { lastUpdated: "2026-01-02T03:08:50.000Z", healthy: false },
        IPv6: { lastUpdated: "2026-01-02T03:08:30.000Z", healthy: true },
      },
    });
  });

  it("calls a healthy proxy up to date, however long nothing has changed (KP-41)", () => {
    const report = livez(state("unseen", ago(3600), undefined), now);
    expect(report.lastUpdated).toBe("2026-01-02T03:10:00.000Z");
    expect(report.status.IPv4?.lastUpdated).toBe("2026-01-02T02:10:00.000Z");
    expect(report).not.toHaveProperty("nodeEligible");
  });

  it("writes Go's zero time where nothing was published yet", () => {
    const report = livez(state("eligible", undefined, ago(61)), now);
    expect(report.lastUpdated).toBe("0001-01-01T00:00:00Z");
  });
});

describe("HealthTracker", () => {
  it("keeps the time of the oldest change until it is published", () => {
    const tracker = new HealthTracker();
    tracker.queued("IPv4", 1000);
    tracker.queued("IPv4", 2000);
    expect(tracker.state().families.IPv4?.oldestQueuedAt).toBe(1000);
    tracker.published("IPv4", 3000);
    expect(tracker.state().families.IPv4).toEqual({
      lastPublishedAt: 3000,
      oldestQueuedAt: undefined,
    });
  });

  it("has not seen the Node before it is told of it", () => {
    const tracker = new HealthTracker();
    expect(tracker.state().node).toBe("unseen");
    tracker.node("eligible");
    expect(tracker.state().node).toBe("eligible");
  });
});
