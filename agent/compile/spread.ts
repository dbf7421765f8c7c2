import type { Algorithm } from "../model/service.ts";
import type { Backend } from "./records.ts";

/** The sizes that a Maglev table may have: primes, each just below a power of two. */
export const MAGLEV_TABLE_SIZES = [
  251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071,
] as const;

type Target = Pick<Backend, "address" | "port" | "weight">;

/**
 * What the slots of a slice hold: positions in `backends`, no two of which share address and port.
 * A backend gets slots in proportion to its weight, and at least one. Whoever reads the slice turns
 * a number spread over 32 bits into the slot (number * length) >> 32.
 *
 * random: as few slots as give the exact shares, in order.
 * maglev: `tableSize` slots (one of MAGLEV_TABLE_SIZES; a larger one where there are more backends),
 * or one where there is one backend. The same on every node whatever the order of the backends, and
 * a backend that goes moves few of the others' slots (Eisenbud et al., NSDI 2016, 3.4): 1.4% of them
 * where there are 163 slots for each. The light ones' single slots cost the heavy ones at most
 * (number of backends / slots) of their share.
 */
export function spread(
  backends: readonly Target[],
  algorithm: Algorithm,
  tableSize: number,
): Uint32Array {
  if (algorithm === "random" || backends.length < 2) return repeat(backends);
  return fill(turnsOf(backends, sizeFor(backends.length, tableSize)));
}

function repeat(backends: readonly Target[]): Uint32Array {
  const unit = backends.reduce((divisor, { weight }) => gcd(divisor, weight), 0);
  const slots = new Uint32Array(backends.reduce((sum, { weight }) => sum + weight / unit, 0));
  let end = 0;
  for (const [position, { weight }] of backends.entries()) {
    const start = end;
    end += weight / unit;
    slots.fill(position, start, end);
  }
  return slots;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

function sizeFor(backends: number, tableSize: number): number {
  if (backends <= tableSize) return tableSize;
  return MAGLEV_TABLE_SIZES.find((size) => size >= backends) ?? tableSize;
}

/** The backends in the order of their turns; the arrays are parallel. */
interface Turns {
  readonly size: number;
  /** In the list that was handed in. */
  readonly position: readonly number[];
  readonly weight: readonly number[];
  /** The slot that each looks at next. */
  readonly next: Uint32Array;
  /** How far on the one after it is: with a prime size, it comes to every slot. */
  readonly skip: Uint32Array;
}

function turnsOf(backends: readonly Target[], size: number): Turns {
  const names = backends.map(({ address, port }) => `${address}:${port}`);
  const position = [...names.keys()].sort((a, b) => ((names[a] ?? "") < (names[b] ?? "") ? -1 : 1));
  const hashesOf = (seed: number) => position.map((at) => hash(names[at] ?? "", seed));
  return {
    size,
    position,
    weight: position.map((at) => backends[at]?.weight ?? 1),
    next: Uint32Array.from(hashesOf(offsetSeed), (value) => value % size),
    skip: Uint32Array.from(hashesOf(skipSeed), (value) => (value % (size - 1)) + 1),
  };
}

/** Each in its turn takes the first slot on its way that is free, until all are taken. */
function fill({ size, position, weight, next, skip }: Turns): Uint32Array {
  const slots = new Uint32Array(size).fill(FREE);
  const heaviest = Math.max(...weight);
  // The heaviest takes a slot in every round; the others in the first one and then now and again.
  const credit = weight.map((own) => heaviest - own);
  for (let free = size; ; ) {
    for (let turn = 0; turn < position.length; turn++) {
      const saved = (credit[turn] ?? 0) + (weight[turn] ?? 0);
      credit[turn] = saved < heaviest ? saved : saved - heaviest;
      if (saved < heaviest) continue;
      const step = skip[turn] ?? 0;
      let slot = next[turn] ?? 0;
      while (slots[slot] !== FREE) {
        slot += step;
        if (slot >= size) slot -= size;
      }
      slots[slot] = position[turn] ?? 0;
      next[turn] = slot;
      if (--free === 0) return slots;
    }
  }
}

const FREE = 0xffffffff;

/** Part of the contract between nodes, like the order of the turns: neither may ever change. */
const offsetSeed = 0x811c9dc5;
const skipSeed = 0x3c6ef372;

/** FNV-1a over the code units, then the finalizer of MurmurHash3. */
function hash(text: string, seed: number): number {
  let value = seed;
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
