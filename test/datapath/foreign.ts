import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type LoadedObject, openObject } from "libbpf-ts";
import { command } from "../harness/command.ts";

let copies = 0;

/** Compiles and loads the programs of somebody else. */
export async function loadForeign(): Promise<LoadedObject> {
  const folder = join(import.meta.dirname, "build");
  await mkdir(folder, { recursive: true });
  const path = join(folder, `foreign-${process.pid}-${copies++}.bpf.o`);
  const include = `-I/usr/include/${(await command("gcc", ["-print-multiarch"])).trim()}`;
  const source = join(import.meta.dirname, "foreign.bpf.c");
  await command("clang", ["-O2", "-g", "-target", "bpf", include, "-c", source, "-o", path]);
  using object = openObject(path);
  const loaded = object.load();
  await command("rm", [path]);
  return loaded;
}
