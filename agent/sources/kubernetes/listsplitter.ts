const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
/** Inside `{"items":[`: the only array that a List of the API has at its first level. */
const itemsDepth = 2;

/**
 * Takes a List of the API apart while its bytes arrive, so that one object at a time is in memory
 * and not a page of hundreds with all that is not needed of them.
 */
export class ListSplitter {
  #depth = 0;
  #isInItems = false;
  #isInText = false;
  /** Bytes of the next chunk that belong to an escape: 1 or 0. */
  #escaped = 0;
  /** What earlier chunks hold of the object that is being read. */
  #pieces: Buffer[] = [];
  /** The List without its objects. */
  readonly #frame: Buffer[] = [];

  /** The texts of the objects that this chunk ends. */
  push(chunk: Buffer): string[] {
    const items: string[] = [];
    let start = 0;
    let at = this.#isInText ? this.#skipText(chunk, 0) : 0;
    while (at < chunk.length) {
      const code = chunk[at++];
      if (code === quote) at = this.#skipText(chunk, at);
      else if (code === openBrace || code === openBracket) {
        if (++this.#depth === itemsDepth && code === openBracket) this.#enter(chunk, start, at);
        else if (this.#isInItems && this.#depth === itemsDepth + 1) start = at - 1;
      } else if (code === closeBrace || code === closeBracket) {
        this.#depth--;
        if (this.#isInItems && this.#depth === itemsDepth) {
          items.push(this.#finish(chunk.subarray(start, at)));
        } else if (this.#isInItems && this.#depth < itemsDepth) {
          this.#isInItems = false;
          start = at - 1;
        }
      }
    }
    if (!this.#isInItems) this.#frame.push(chunk.subarray(start));
    else if (this.#depth > itemsDepth) this.#pieces.push(chunk.subarray(start));
    return items;
  }

  /** The text of the List with no object in it, once all has come. */
  frame(): string {
    return Buffer.concat(this.#frame).toString("utf8");
  }

  #enter(chunk: Buffer, start: number, end: number): void {
    this.#isInItems = true;
    this.#frame.push(chunk.subarray(start, end));
  }

  /** Where the text that goes on at `from` is over, or the chunk. */
  #skipText(chunk: Buffer, from: number): number {
    let at = from + this.#escaped;
    for (; at < chunk.length; at++) {
      const code = chunk[at];
      if (code === backslash) at++;
      else if (code === quote) break;
    }
    this.#isInText = at >= chunk.length;
    this.#escaped = Math.max(0, at - chunk.length);
    return Math.min(at + 1, chunk.length);
  }

  #finish(last: Buffer): string {
    if (this.#pieces.length === 0) return last.toString("utf8");
    const whole = Buffer.concat([...this.#pieces, last]);
    this.#pieces = [];
    return whole.toString("utf8");
  }
}
