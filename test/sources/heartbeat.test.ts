import { beforeEach, expect, it } from "vitest";
import { Heartbeat } from "../../agent/sources/kubernetes/heartbeat.ts";

/** Turned by hand; seconds. */
let now: number;
let beat: () => void;
let said: string[];
/** Of the question that is open. */
let settle: { answer(): void; fail(): void };
let chance: number;
let heartbeat: Heartbeat;

beforeEach(() => {
  now = 1_000;
  chance = 0;
  said = [];
  heartbeat = new Heartbeat({
    clock: {
      now: () => now * 1_000,
      setTimeout: () => () => {},
      every: (callback) => {
        beat = callback;
        return () => said.push("stopped");
      },
    },
    random: () => chance,
    ask: (signal) =>
      new Promise((resolve, reject) => {
        said.push(`${now} asked`);
        const fail = () => {
          said.push(`${now} unanswered`);
          reject(new Error("no answer"));
        };
        signal.addEventListener("abort", fail);
        const answer = () => {
          heartbeat.heard();
          resolve();
        };
        settle = { answer, fail };
      }),
    heard: (milliseconds) => said.push(`${milliseconds / 1_000} heard`),
    lost: () => said.push(`${now} lost`),
    silent: (milliseconds) => said.push(`${now} silent for ${milliseconds / 1_000}`),
    back: () => said.push(`${now} back`),
  });
  heartbeat.start();
});

/** In the steps of the real clock, so that promises settle between. */
async function pass(seconds: number): Promise<void> {
  for (const end = now + seconds; now < end; ) {
    now += 0.25;
    beat();
    await new Promise(setImmediate);
  }
}

it("asks after 3 s of silence, and after each answer anew (PF-03)", async () => {
  await pass(2.75);
  expect(said).toEqual([]);
  await pass(1);
  settle.answer();
  await pass(3);
  expect(said).toEqual(["1003 asked", "1003.75 heard", "1006.75 asked"]);
});

it("asks up to 0.75 s later, by chance, so that nodes do not ask in step (PF-03)", async () => {
  heartbeat.stop();
  chance = 1;
  const late = new Heartbeat({
    clock: {
      now: () => now * 1_000,
      setTimeout: () => () => {},
      every: (callback) => {
        beat = callback;
        return () => {};
      },
    },
    random: () => chance,
    ask: async () => void said.push(`${now} asked`),
    heard: () => {},
    lost: () => {},
    silent: () => {},
    back: () => {},
  });
  late.start();
  await pass(7.5);
  expect(said).toEqual(["stopped", "1003.75 asked", "1007.5 asked"]);
});

it("asks nothing of a server whose watches are never silent (PF-03)", async () => {
  for (let events = 0; events < 10; events++) {
    await pass(2.75);
    heartbeat.heard();
  }
  expect(said.filter((line) => line.endsWith("asked"))).toEqual([]);
});

it("knows of the silence within 8 s, gives up connections after 15 s, and says when it ends (PF-03)", async () => {
  await pass(44);
  expect(said.filter((line) => !/asked|unanswered/.test(line))).toEqual([
    "1007 lost",
    "1015 silent for 15",
    "1030 silent for 30",
  ]);
  said.length = 0;
  heartbeat.heard();
  await pass(2);
  expect(said.filter((line) => !/asked|unanswered/.test(line))).toEqual([
    "1044 heard",
    "1044.25 back",
  ]);
});

it("does both later by chance, so that nodes neither leave nor return as one (PF-03)", async () => {
  await pass(3);
  chance = 1;
  await pass(18);
  heartbeat.heard();
  await pass(3);
  expect(said.filter((line) => !/asked|unanswered/.test(line))).toEqual([
    "1007 lost",
    "1020 silent for 20",
    "1021 heard",
    "1023 back",
  ]);
});

it("asks a server that refuses no oftener than one that answers (PF-03)", async () => {
  for (let questions = 0; questions < 3; questions++) {
    await pass(3);
    settle.fail();
    await pass(0.25);
  }
  expect(said.filter((line) => line.endsWith("asked"))).toEqual([
    "1003 asked",
    "1006 asked",
    "1009 asked",
  ]);
});

it("takes an event that came meanwhile for an answer (PF-03)", async () => {
  await pass(3);
  heartbeat.heard();
  settle.fail();
  await pass(1);
  expect(said).toEqual(["1003 asked", "1003 heard", "1003 unanswered"]);
});

it("asks before it gives anything up where the clock was set, or the machine slept (PF-03)", async () => {
  now += 3_600;
  await pass(1);
  settle.answer();
  await pass(1);
  expect(said).toEqual(["4600.25 asked", "4601 heard"]);
});

it("ends, and its question with it, of whose answer nothing is said", async () => {
  await pass(3);
  heartbeat.stop();
  await new Promise(setImmediate);
  expect(said).toEqual(["1003 asked", "stopped", "1003 unanswered"]);
});
