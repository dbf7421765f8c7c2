import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { kubeProxyRows } from "./kube_proxy.ts";

const page = readFileSync(join(import.meta.dirname, "../../ARCHITECTURE.md"), "utf8");

it("ARCHITECTURE.md gives the reason for each row that is moot, and for no other", () => {
  const told = [...page.matchAll(/^\| (KP-\d+) \| (.+) \| (.+) \|$/gm)].map((match) =>
    match.slice(1),
  );
  const moot = kubeProxyRows.flatMap((row) =>
    row.moot === undefined ? [] : [[row.id, row.what, row.moot]],
  );
  expect(told).toEqual(moot);
  expect(moot.length).toBeGreaterThan(0);
});
