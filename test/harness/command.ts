import { execFile } from "node:child_process";

export class CommandError extends Error {
  readonly command: string;
  readonly code: number | string | undefined;
  readonly stderr: string;

  constructor(command: string, code: number | string | undefined, stderr: string, cause: unknown) {
    super(`${command} failed (${code ?? "killed"}): ${stderr.trim()}`, { cause });
    this.name = "CommandError";
    this.command = command;
    this.code = code;
    this.stderr = stderr;
  }
}

export interface CommandOptions {
  /** What the command reads from its standard input; default nothing. */
  readonly input?: string;
  /** It is killed then; default 30 seconds. */
  readonly deadlineMs?: number;
}

/** Runs a command to its end and gives its standard output; a non-zero exit throws. */
export function command(
  name: string,
  args: readonly string[],
  { input = "", deadlineMs = 30_000 }: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(name, args, { timeout: deadlineMs }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else {
        const what = [name, ...args].join(" ");
        reject(new CommandError(what, error.code ?? undefined, stderr || error.message, error));
      }
    });
    // A command that ends without reading its input is judged by its exit code.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
