/**
 * Prints TypeScript codecs for the structs of maps.h, from the BTF of a compiled object:
 * `node generate.ts build/sock.bpf.o > build/layout.ts`. Fails on a struct with a hole, on a
 * bit-field and on a field that it cannot express, so that no layout is ever guessed.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { generateLayout } from "./layout/generate.ts";

const [path] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write("usage: generate.ts OBJECT\n");
  process.exit(2);
}
process.stdout.write(generateLayout(readFileSync(path)));
