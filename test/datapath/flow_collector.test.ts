import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FlowCollector } from "../../agent/datapath/flow_collector.ts";
import { type FlowSweep, noneExpired } from "../../agent/datapath/flow_sweep.ts";

const found = (requests: number, replies: number, closed: number): FlowSweep => ({
  requests,
  replies,
  expired: { ...noneExpired, closed },
});

/** Sweeps that end when they are told to. */
class Sweeps {
  begun = 0;
  #pending = Promise.withResolvers<FlowSweep>();

  readonly sweep = (): Promise<FlowSweep> => {
    this.begun++;
    this.#pending = Promise.withResolvers();
    return this.#pending.promise;
  };

  async end(result: FlowSweep | Error): Promise<void> {
    if (result instanceof Error) this.#pending.reject(result);
    else this.#pending.resolve(result);
    await vi.advanceTimersByTimeAsync(0);
  }
}

describe("the collector of flows", () => {
  let sweeps: Sweeps;
  let failures: string[];
  let collector: FlowCollector;
  beforeEach(() => {
    vi.useFakeTimers();
    sweeps = new Sweeps();
    failures = [];
    const failed = (error: unknown) => failures.push((error as Error).message);
    collector = new FlowCollector(sweeps.sweep, failed, 1_000);
  });
  afterEach(async () => {
    void collector.stop();
    vi.useRealTimers();
  });

  it("sweeps at once and then every 5 s, counting what goes", async () => {
    expect(sweeps.begun).toBe(1);
    expect(collector.usage()).toEqual({
      inUse: null,
      expired: noneExpired,
      lastSweepSeconds: null,
    });
    await sweeps.end(found(3, 4, 10));
    expect(collector.usage()).toMatchObject({ inUse: 4, expired: { closed: 10 } });
    await vi.advanceTimersByTimeAsync(4_999);
    expect(sweeps.begun).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(sweeps.begun).toBe(2);
    await sweeps.end(found(2, 1, 5));
    expect(collector.usage()).toMatchObject({ inUse: 2, expired: { closed: 15 } });
  });

  it("sweeps every second while more than three quarters of the table are in use", async () => {
    await sweeps.end(found(751, 0, 0));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sweeps.begun).toBe(2);
    await sweeps.end(found(750, 0, 0));
    await vi.advanceTimersByTimeAsync(4_990);
    expect(sweeps.begun).toBe(2);
    await vi.advanceTimersByTimeAsync(10);
    expect(sweeps.begun).toBe(3);
  });

  it("spends at most a twentieth of the time on it: a longer pause follows a slow sweep", async () => {
    await vi.advanceTimersByTimeAsync(400);
    await sweeps.end(found(1_000, 1_000, 0));
    expect(collector.usage().lastSweepSeconds).toBeCloseTo(0.4, 3);
    await vi.advanceTimersByTimeAsync(7_990);
    expect(sweeps.begun).toBe(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(sweeps.begun).toBe(2);
  });

  it("never has two sweeps under way, and goes on after one that failed", async () => {
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sweeps.begun).toBe(1);
    await sweeps.end(new Error("EPERM"));
    expect(failures).toEqual(["EPERM"]);
    expect(collector.usage().inUse).toBeNull();
    await vi.advanceTimersByTimeAsync(2_000_000);
    expect(sweeps.begun).toBe(2);
  });

  it("stops when the sweep that is under way has ended", async () => {
    let stopped = false;
    const stopping = collector.stop().then(() => {
      stopped = true;
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(stopped).toBe(false);
    await sweeps.end(found(0, 0, 0));
    await stopping;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sweeps.begun).toBe(1);
  });
});
