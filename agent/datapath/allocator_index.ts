/**
 * Which indices of an array map are taken. The lowest free one is handed out, so that what is in
 * use stays dense. A tree of bitmaps, one bit set per free index and per word with a free bit below
 * it: 1.03 bits an index, and every operation costs one word per level.
 */
export class IndexAllocator {
  readonly capacity: number;
  readonly #levels: readonly Uint32Array[];
  #free: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#free = capacity;
    this.#levels = freeLevels(capacity);
  }

  get free(): number {
    return this.#free;
  }

  get used(): number {
    return this.capacity - this.#free;
  }

  isFree(index: number): boolean {
    return (wordAt(this.#levels[0], index >>> 5) & (1 << (index & 31))) !== 0;
  }

  /** Undefined: none is free. */
  allocate(): number | undefined {
    if (this.#free === 0) return undefined;
    let index = 0;
    for (const level of this.#levels.toReversed()) {
      const word = wordAt(level, index);
      index = index * 32 + lowestBit(word);
    }
    this.claim(index);
    return index;
  }

  /** Takes one index. False: it was taken already, or there is no such index. */
  claim(index: number): boolean {
    if (index >= this.capacity || !this.isFree(index)) return false;
    this.#free--;
    let at = index;
    for (const level of this.#levels) {
      const word = wordAt(level, at >>> 5) & ~(1 << (at & 31));
      level[at >>> 5] = word;
      if (word !== 0) break;
      at >>>= 5;
    }
    return true;
  }

  /** Gives one index back. An index that is free already stays so. */
  release(index: number): void {
    if (index >= this.capacity || this.isFree(index)) return;
    this.#free++;
    let at = index;
    for (const level of this.#levels) {
      const before = wordAt(level, at >>> 5);
      level[at >>> 5] = before | (1 << (at & 31));
      if (before !== 0) break;
      at >>>= 5;
    }
  }
}

/** From the bits of the indices themselves up to a single word. */
function freeLevels(capacity: number): readonly Uint32Array[] {
  const levels: Uint32Array[] = [];
  for (let bits = capacity; ; bits = Math.ceil(bits / 32)) {
    const words = new Uint32Array(Math.max(1, Math.ceil(bits / 32))).fill(0xffff_ffff);
    const rest = bits & 31;
    if (rest !== 0 || bits === 0) words[words.length - 1] = 2 ** rest - 1;
    levels.push(words);
    if (words.length === 1) return levels;
  }
}

const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

const wordAt = (level: Uint32Array | undefined, at: number): number => level?.[at] ?? 0;
