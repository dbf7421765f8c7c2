import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type BpfObject, type LoadedObject, openObject } from "libbpf-ts";
import { onTestFinished } from "vitest";
import { requireRoot } from "./root.ts";

const directory = fileURLToPath(new URL("..", import.meta.url));
execFileSync("make", ["-s", "-C", directory]);

export const objectPath = (name: string): string => `${directory}build/${name}.bpf.o`;
export const objectBytes = (name: string): Uint8Array => readFileSync(objectPath(name));

export function open(name = "everything"): BpfObject {
  requireRoot();
  const object = openObject(objectPath(name));
  onTestFinished(() => object.close());
  return object;
}

export function load(prepare: (object: BpfObject) => void = () => {}): LoadedObject {
  const object = open();
  prepare(object);
  const loaded = object.load();
  onTestFinished(() => loaded.close());
  return loaded;
}

/** Little-endian u32s, end to end. */
export const u32 = (...numbers: number[]): Uint8Array =>
  new Uint8Array(Uint32Array.from(numbers).buffer);

/** The error that a call throws. */
export function errorOf(call: () => unknown): Error & Record<string, unknown> {
  try {
    call();
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error("nothing was thrown");
}
