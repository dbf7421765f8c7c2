import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StaleSocketHunt } from "../../agent/datapath/stale_socket_hunt.ts";
import type { StaleSocketReport } from "../../agent/datapath/stale_sockets.ts";

const finds = (found: readonly bigint[], destroyed: number): StaleSocketReport => ({
  found: new Set(found),
  destroyed,
  problems: [],
});

describe("the hunt for sockets whose backend has gone", () => {
  /** What each walk was told to destroy. */
  let walks: (readonly bigint[])[];
  let results: (StaleSocketReport | Error)[];
  let told: StaleSocketReport[];

  beforeEach(() => {
    vi.useFakeTimers();
    walks = [];
    results = [];
    told = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const begin = () =>
    new StaleSocketHunt(
      async (known) => {
        walks.push([...known]);
        const result = results.shift() ?? finds([], 0);
        if (result instanceof Error) throw result;
        return result;
      },
      (report) => told.push(report),
    );

  it("destroys what is found twice, and spares what ends by itself in between (PF-01, PF-20)", async () => {
    results = [finds([1n, 2n], 0), finds([2n], 1)];
    const hunt = begin();
    await vi.advanceTimersByTimeAsync(249);
    expect(walks).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(walks).toEqual([[]]);
    await vi.advanceTimersByTimeAsync(250);
    expect(walks).toEqual([[], [1n, 2n]]);
    expect(hunt.destroyed).toBe(1);
    expect(told).toEqual([finds([2n], 1)]);
  });

  it("goes on, more and more seldom, until nothing is found (PF-20)", async () => {
    results = Array.from({ length: 4 }, () => finds([1n], 0));
    begin();
    await vi.advanceTimersByTimeAsync(500 + 500 + 1_000);
    expect(walks).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(walks).toHaveLength(5);
  });

  it("walks four times a second at most, however often backends go", async () => {
    const hunt = begin();
    for (let ms = 0; ms < 1_000; ms += 10) {
      hunt.start();
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(walks).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(walks).toHaveLength(5);
  });

  it("does not let a long pause keep a backend's sockets waiting (PF-20)", async () => {
    results = Array.from({ length: 12 }, () => finds([1n], 0));
    const hunt = begin();
    await vi.advanceTimersByTimeAsync(60_000);
    const before = walks.length;
    hunt.start();
    await vi.advanceTimersByTimeAsync(500);
    expect(walks).toHaveLength(before + 2);
  });

  it("tells why a walk failed, and walks again (PF-20)", async () => {
    results = [new Error("no iterator")];
    begin();
    await vi.advanceTimersByTimeAsync(500);
    expect(told).toMatchObject([{ problems: ["no iterator"] }]);
    expect(walks).toHaveLength(2);
  });

  it("ends when it is stopped", async () => {
    const hunt = begin();
    hunt.stop();
    hunt.start();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(walks).toEqual([]);
  });
});
