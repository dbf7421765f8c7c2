import { afterEach, expect, it, vi } from "vitest";
import { systemClock } from "../../agent/sources/clock.ts";

afterEach(() => {
  vi.useRealTimers();
});

it("the time by which a silent API server is noticed goes on where the node's clock is set back (PF-03)", () => {
  const before = systemClock.now();
  expect(Math.abs(before - Date.now())).toBeLessThan(60_000);
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  expect(Date.now()).toBeLessThan(60_000);
  expect(systemClock.now()).toBeGreaterThanOrEqual(before);
});
