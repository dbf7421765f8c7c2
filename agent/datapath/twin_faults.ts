import type { FaultPlan } from "./twin_maps.ts";

/** Fails this share of the batches, each after some of its entries; the same seed, the same faults. */
export function seededFaults(seed: number, share: number): FaultPlan {
  const random = seededRandom(seed);
  return (_map, entries) => (random() < share ? Math.floor(random() * entries) : undefined);
}

/** Uniform in [0, 1): Marsaglia's 32-bit xorshift (2003). */
function seededRandom(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
