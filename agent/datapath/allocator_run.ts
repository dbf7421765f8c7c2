/**
 * Which runs of an array are taken: the slices of `slots`. A binary tree over the array whose nodes
 * hold the largest aligned power of two that is free below them. A run is found as the tightest such
 * block that fits and takes only its own length of it, so nothing is rounded up, and a run made by
 * any other strategy can be claimed. O(log n) each; one byte a node, so 2 MiB for a million slots,
 * of which the kernel backs only the pages in use.
 */
export class RunAllocator {
  readonly capacity: number;
  /** Heap order from 1; 0: nothing free, n: an aligned block of 2^(n-1). */
  readonly #largest: Uint8Array;
  readonly #order: number;
  #free: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#order = orderOf(capacity);
    this.#largest = new Uint8Array(2 ** (this.#order + 1));
    this.#free = 0;
    this.release(0, capacity);
  }

  get free(): number {
    return this.#free;
  }

  /** The offset of `count` free entries in a row; undefined: there is no such run. */
  allocate(count: number): number | undefined {
    if (count === 0) return 0;
    const wanted = orderOf(count) + 1;
    if (this.#at(1) < wanted) return undefined;
    let node = 1;
    for (let order = this.#order; order + 1 > wanted; order--) {
      this.#split(node, order);
      node = this.#tighter(2 * node, 2 * node + 1, wanted);
    }
    const offset = node * 2 ** (wanted - 1) - this.#largest.length / 2;
    this.claim(offset, count);
    return offset;
  }

  /** Takes these entries, whatever made the run. False: some were taken already, or do not exist. */
  claim(offset: number, count: number): boolean {
    const taken = this.#set(1, this.#order, 0, offset, offset + count, false);
    this.#free -= taken;
    return taken === count;
  }

  /** Gives these entries back; those that are free already stay so. */
  release(offset: number, count: number): void {
    const end = Math.min(offset + count, this.capacity);
    this.#free += this.#set(1, this.#order, 0, offset, end, true);
  }

  /** Whether none of these entries is free. */
  isTaken(offset: number, count: number): boolean {
    return this.#isTaken(1, this.#order, 0, offset, offset + count);
  }

  #isTaken(node: number, order: number, start: number, from: number, to: number): boolean {
    const size = 2 ** order;
    const largest = this.#at(node);
    if (to <= start || from >= start + size || largest === 0) return true;
    if (largest === order + 1) return false;
    const half = start + size / 2;
    return (
      this.#isTaken(2 * node, order - 1, start, from, to) &&
      this.#isTaken(2 * node + 1, order - 1, half, from, to)
    );
  }

  /** Of two nodes, the one with the smaller block that is still large enough. */
  #tighter(left: number, right: number, wanted: number): number {
    const a = this.#at(left);
    const b = this.#at(right);
    return a >= wanted && (b < wanted || a <= b) ? left : right;
  }

  /** Sets what lies in [from, to) below a node, and returns how many entries that changed. */
  #set(
    node: number,
    order: number,
    start: number,
    from: number,
    to: number,
    free: boolean,
  ): number {
    const size = 2 ** order;
    const largest = this.#at(node);
    if (to <= start || from >= start + size || largest === (free ? order + 1 : 0)) return 0;
    const uniform = largest === 0 || largest === order + 1;
    if (uniform && from <= start && start + size <= to) {
      this.#largest[node] = free ? order + 1 : 0;
      return size;
    }
    this.#split(node, order);
    const half = start + size / 2;
    const changed =
      this.#set(2 * node, order - 1, start, from, to, free) +
      this.#set(2 * node + 1, order - 1, half, from, to, free);
    this.#join(node, order);
    return changed;
  }

  /** What is said of a whole block, said of its halves: below a uniform node they may be stale. */
  #split(node: number, order: number): void {
    const largest = this.#at(node);
    if (largest !== 0 && largest !== order + 1) return;
    const half = largest === 0 ? 0 : order;
    this.#largest[2 * node] = half;
    this.#largest[2 * node + 1] = half;
  }

  #join(node: number, order: number): void {
    const left = this.#at(2 * node);
    const right = this.#at(2 * node + 1);
    this.#largest[node] = left === order && right === order ? order + 1 : Math.max(left, right);
  }

  #at(node: number): number {
    return this.#largest[node] ?? 0;
  }
}

/** The smallest n for which 2^n holds `count`. */
const orderOf = (count: number): number => (count <= 1 ? 0 : 32 - Math.clz32(count - 1));
