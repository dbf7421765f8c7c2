import { join } from "node:path";
import { command } from "../harness/command.ts";

const bpf = join(import.meta.dirname, "../../bpf");

/** No kernel has a helper of this number: the verifier refuses the program that calls it. */
const noHelper = "((long (*)())9999)";

/**
 * Compiles the shipped programs with one helper out of the kernel's reach, as an older kernel has
 * it. The calls are replaced, and not the declaration, whose name no parenthesis follows.
 */
export async function objectWithoutHelper(helper: string, folder: string): Promise<string> {
  const object = join(folder, `without_${helper}.bpf.o`);
  const flags = await compilerFlags();
  const define = `-D${helper}(...)=${noHelper}(__VA_ARGS__)`;
  const source = join(bpf, "sock.bpf.c");
  await command("clang", [...flags, "-w", define, "-c", source, "-o", object]);
  return object;
}

/** As the Makefile has them, so that nothing else differs. */
async function compilerFlags(): Promise<readonly string[]> {
  const database = await command("make", [
    "-C",
    bpf,
    "--always-make",
    "--dry-run",
    "build/sock.bpf.o",
  ]);
  const line = database.split("\n").find((each) => each.startsWith("clang "));
  if (line === undefined) throw new Error(`the Makefile of bpf/ calls no clang: ${database}`);
  const words = line.split(" ");
  return words.slice(1, words.indexOf("-c"));
}
