const newline = 0x0a;

/**
 * Cuts a stream of bytes into lines of text. Works on bytes up to the end of a line, so a character
 * that two chunks share stays whole. Empty lines are left out.
 */
export class LineSplitter {
  #pieces: Buffer[] = [];

  /** The lines that this chunk ends. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      const line = this.#finish(chunk.subarray(from, end));
      if (line !== "" && line !== "\r") lines.push(line);
      from = end + 1;
    }
    if (from < chunk.length) this.#pieces.push(chunk.subarray(from));
    return lines;
  }

  #finish(last: Buffer): string {
    if (this.#pieces.length === 0) return last.toString("utf8");
    const whole = Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    return whole.toString("utf8");
  }
}
