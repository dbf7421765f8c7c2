import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const directory = fileURLToPath(new URL("../..", import.meta.url));

export interface Outcome {
  readonly status: number | null;
  /** "SIGSEGV" where it crashed. */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a module's source in a Node process of its own, with `libbpf-ts` to import. */
export function runModule(source: string, deadlineMs = 60_000): Outcome {
  const options = ["--input-type=module-typescript", "--disable-warning=ExperimentalWarning"];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [...options, "-"], {
    cwd: directory,
    input: source,
    encoding: "utf8",
    timeout: deadlineMs,
  });
  return { status, signal, stdout, stderr };
}
