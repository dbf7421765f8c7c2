import { execFileSync } from "node:child_process";
import { type BpfObject, type LoadedObject, openObject } from "libbpf-ts";
import { onTestFinished } from "vitest";
import { objectBytes, objectPath, testDirectory } from "./bytes.ts";
import { requireRoot } from "./root.ts";

execFileSync("make", ["-s", "-C", testDirectory]);

export { objectBytes, objectPath };

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
