import { type ExecFileException, execFile } from "node:child_process";

export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly operation: string;
  readonly code: number | string | null | undefined;

  constructor(operation: string, cause: ExecFileException, stderr: Buffer) {
    super(`${operation}: ${detail(cause, stderr)}`, { cause });
    this.operation = operation;
    this.code = cause.code;
  }
}

/**
 * Runs a program to its end and returns what it wrote to standard output.
 * Throws a `CommandError` that carries what it wrote to standard error.
 */
export const command = (program: string, args: readonly string[], cwd?: string): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const options = { cwd, encoding: "buffer", maxBuffer: 1 << 28 } as const;
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new CommandError(program, error, stderr));
    });
  });

const detail = (error: ExecFileException, stderr: Buffer): string =>
  error.code === "ENOENT"
    ? "not found; `sh test/setup.sh vm` installs what these tests need"
    : stderr.toString().trim() || error.message;
