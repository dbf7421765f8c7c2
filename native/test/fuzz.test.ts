import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { testDirectory } from "./support/bytes.ts";
import "./support/object.ts";
import { netns } from "./support/place.ts";

/** What a wrong call may throw. */
const TYPED = [
  "ArgumentError",
  "BatchError",
  "BpfError",
  "MalformedError",
  "TypeError",
  "VerifierError",
];

/** In a process and a network namespace of its own: a crash is a signal, not the end of the tests. */
function fuzz(script: string, runs: number) {
  const { path } = netns();
  const command = [`--net=${path}`, process.execPath, `${testDirectory}fuzz/${script}`, `${runs}`];
  const { signal, status, stdout, stderr } = spawnSync("nsenter", command, {
    encoding: "utf8",
    timeout: 50_000,
  });
  expect({ signal, status, stderr }).toEqual({ signal: null, status: 0, stderr: "" });
  return JSON.parse(stdout);
}

it("wrong arguments anywhere give typed errors and never a crash", () => {
  const seen = fuzz("calls.ts", 50_000);
  expect(seen.calls).toBe(50_000);
  expect(seen.returned).toBeGreaterThan(1000);
  expect(Object.keys(seen.refused).filter((name) => !TYPED.includes(name))).toEqual([]);
});

it("objects with bytes changed are opened or refused", () => {
  const seen = fuzz("objects.ts", 1000);
  expect(seen.opened).toBeGreaterThan(0);
  expect(seen.refused.MalformedError).toBeGreaterThan(0);
  expect(Object.keys(seen.refused).filter((name) => !TYPED.includes(name))).toEqual([]);
});
