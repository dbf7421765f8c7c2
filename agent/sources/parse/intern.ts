/**
 * Makes equal texts one object in memory: a hundred thousand endpoints name the same few nodes,
 * zones and namespaces. Forgets everything when it is full, which costs sharing and nothing else.
 */
export class Interner {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();
  readonly #records = new Map<string, readonly object[]>();
  readonly #capacity: number;

  constructor(capacity = 65_536) {
    this.#capacity = capacity;
  }

  text(value: string): string {
    const held = this.#texts.get(value);
    if (held !== undefined) return held;
    if (this.#texts.size >= this.#capacity) this.#texts.clear();
    this.#texts.set(value, value);
    return value;
  }

  list(values: readonly string[]): readonly string[] {
    const key = values.join("\n");
    const held = this.#lists.get(key);
    if (held !== undefined) return held;
    if (this.#lists.size >= this.#capacity) this.#lists.clear();
    const list = Object.freeze(values.map((value) => this.text(value)));
    this.#lists.set(key, list);
    return list;
  }

  /** A list of plain objects of scalars: most Services have the ports that many others have. */
  records<T extends object>(values: readonly T[]): readonly T[] {
    const key = JSON.stringify(values);
    const held = this.#records.get(key);
    // Equal text, equal fields: whoever made it, it is a list of such objects.
    if (held !== undefined) return held as readonly T[];
    if (this.#records.size >= this.#capacity) this.#records.clear();
    const list = Object.freeze(values.map((value) => Object.freeze(value)));
    this.#records.set(key, list);
    return list;
  }
}
