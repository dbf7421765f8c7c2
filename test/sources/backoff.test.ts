import { expect, it } from "vitest";
import { Backoff } from "../../agent/sources/kubernetes/backoff.ts";

const waits = (random: number, count: number): number[] => {
  const backoff = new Backoff(() => random);
  return Array.from({ length: count }, () => backoff.nextMilliseconds());
};

it("doubles from half a second to 30 s, of which the second half is random (PF-03)", () => {
  expect(waits(0, 8)).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  expect(waits(0.5, 8)).toEqual([375, 750, 1500, 3000, 6000, 12_000, 22_500, 22_500]);
  expect(waits(1, 8)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

it("begins anew after a success", () => {
  const backoff = new Backoff(() => 0);
  backoff.nextMilliseconds();
  backoff.nextMilliseconds();
  backoff.reset();
  expect(backoff.nextMilliseconds()).toBe(250);
});
