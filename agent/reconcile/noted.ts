/** What is known under each key, and whether any of it has changed since that was last asked. */
export class Noted<Value> {
  readonly #values = new Map<string, Value>();
  readonly #same: (a: Value, b: Value) => boolean;
  #changed = false;

  constructor(same: (a: Value, b: Value) => boolean) {
    this.#same = same;
  }

  /** Undefined: there is nothing to know. */
  note(key: string, value: Value | undefined): void {
    const before = this.#values.get(key);
    if (value === undefined) {
      if (this.#values.delete(key)) this.#changed = true;
      return;
    }
    if (before === undefined || !this.#same(before, value)) this.#changed = true;
    this.#values.set(key, value);
  }

  values(): readonly Value[] {
    return [...this.#values.values()];
  }

  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }
}
