import { join } from "node:path";
import { command } from "./command.ts";

export type Program = "podserver" | "loadgen" | "sctp" | "straggler" | "tunnel";

let built: Promise<unknown> | undefined;

/** The path of a program that runs inside pods or nodes; builds it where it is older than its source. */
export async function program(name: Program): Promise<string> {
  built ??= command("make", ["-s", "-C", import.meta.dirname]);
  await built;
  return join(import.meta.dirname, "build", name);
}
