import { table } from "../../agent/cli/table.ts";

/** Where the demo's text goes; every line of it but titles is set in by two blanks. */
export class Page {
  readonly #write: (text: string) => unknown;

  constructor(write: (text: string) => unknown) {
    this.#write = write;
  }

  title(text: string): void {
    this.#write(`\n${text}\n`);
  }

  say(...lines: readonly string[]): void {
    for (const line of lines) this.#write(line === "" ? "\n" : `  ${line}\n`);
  }

  /** Without titles: what to type, and what it does. */
  hints(rows: readonly (readonly [command: string, does: string])[]): void {
    const width = Math.max(...rows.map(([command]) => command.length));
    this.say(...rows.map(([command, does]) => `${command.padEnd(width)}   ${does}`));
  }

  table(titles: readonly string[], rows: readonly (readonly string[])[]): void {
    this.say("", ...table(titles, rows).trimEnd().split("\n"));
  }
}

export const milliseconds = (nanoseconds: number): string => `${(nanoseconds / 1e6).toFixed(1)} ms`;

export const microseconds = (nanoseconds: number): string =>
  `${Math.round(nanoseconds / 1e3)} \u00b5s`;
