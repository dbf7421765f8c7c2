import { expect, it } from "vitest";
import { tellRepairs } from "../../agent/audits.ts";
import type { Log } from "../../agent/log.ts";
import type { Discrepancy } from "../../agent/reconcile/discrepancy.ts";

const told = (found: readonly Discrepancy[]): readonly string[] => {
  const lines: string[] = [];
  const say = (message: string) => lines.push(message);
  const log: Log = { error: say, warn: say, info: say, debug: say, child: () => log };
  tellRepairs(found, log);
  return lines;
};

const missing = (count: number): readonly Discrepancy[] =>
  Array.from({ length: count }, (_, n) => ({
    map: "frontends",
    target: `default/web-${n}:http/TCP/IPv4`,
    message: "was missing",
  }));

it("what an audit has mended is told one by one (KP-54)", () => {
  expect(told(missing(1))).toEqual([
    "somebody else wrote to the map frontends, which is mended: default/web-0:http/TCP/IPv4: was missing",
  ]);
  expect(told(missing(20))).toHaveLength(20);
});

it("a map that somebody has emptied does not fill the log (KP-54)", () => {
  const lines = told(missing(10_000));
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toBe("somebody else wrote to the maps 9980 times more, all mended");
});
