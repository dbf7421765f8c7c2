// Opens objects with bytes changed. Runs in a process of its own: see ../fuzz.test.ts.
import * as fc from "fast-check";
import { openObject } from "libbpf-ts";
import { objectBytes } from "../support/bytes.ts";

const original = objectBytes("everything");
const seen = { opened: 0, refused: new Map<string, number>() };
const flip = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
fc.assert(
  fc.property(fc.array(flip, { minLength: 1, maxLength: 8 }), (flips) => {
    const changed = original.slice();
    for (const [at, value] of flips) changed[at] = value;
    try {
      openObject(changed).close();
      seen.opened += 1;
    } catch (error) {
      const name = error instanceof Error ? error.name : `thrown ${String(error)}`;
      seen.refused.set(name, (seen.refused.get(name) ?? 0) + 1);
    }
  }),
  { numRuns: Number(process.argv[2] ?? 500) },
);
console.log(JSON.stringify({ ...seen, refused: Object.fromEntries(seen.refused) }));
