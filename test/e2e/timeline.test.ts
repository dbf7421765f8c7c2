import { describe, expect, it } from "vitest";
import type { Success } from "../harness/load.ts";
import type { Replacement } from "./churn.ts";
import { Timeline } from "./timeline.ts";

const turn = (server: string, sentAt: number): Replacement => ({
  servers: [{ name: server, address: `address of ${server}` }],
  port: sentAt,
  sentAt,
  answeredAt: sentAt + 1,
});
const read = (server: string, port: number, at: number) => ({
  endpoints: [`address of ${server}:${port}`],
  at,
});
const connect = (backend: string, at: number, latencyNs = 1): Success => ({
  ok: true,
  at,
  latencyNs,
  answerNs: latencyNs,
  backend,
  client: "",
  clientPort: 0,
  peer: "",
});

describe("a timeline of replacements", () => {
  const timeline = new Timeline([turn("a", 10), turn("b", 20), turn("c", 30), turn("a", 40)]);
  for (const reading of [
    read("a", 10, 12),
    read("b", 20, 25),
    read("b", 20, 26),
    read("b", 30, 30),
  ]) {
    timeline.note(reading);
  }
  timeline.note(read("a", 40, 45));

  it("tells from the answer to the first sight how long each took, seen or skipped", () => {
    expect(timeline.latenciesNs()).toEqual([1, 4, 14, 4]);
  });

  it("takes a connect to what was seen last, or was sent since, for right", () => {
    const right = [connect("a", 13), connect("a", 24), connect("b", 24), connect("b", 44)];
    expect(timeline.stale(right)).toEqual([]);
    expect(timeline.stale([connect("c", 29, 2), connect("a", 50)])).toEqual([]);
  });

  it("finds the connect to what was seen to be gone, and for how long it was", () => {
    expect(timeline.stale([connect("a", 28), connect("b", 29), connect("b", 50)])).toEqual([
      { backend: "a", at: 28, goneForNs: 3 },
      { backend: "b", at: 50, goneForNs: 5 },
    ]);
  });

  it("finds the connect to what had not been sent yet", () => {
    expect(timeline.stale([connect("c", 28)])).toMatchObject([{ backend: "c" }]);
  });

  it("tells for how long the API server had confirmed the removal", () => {
    expect(timeline.confirmedGoneNs([connect("a", 20), connect("b", 24)])).toEqual([]);
    expect(timeline.confirmedGoneNs([connect("c", 29, 2), connect("a", 40)])).toEqual([]);
    expect(timeline.confirmedGoneNs([connect("a", 33), connect("b", 44)])).toEqual([12, 13]);
  });
});
