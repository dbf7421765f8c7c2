/** A run of `slots`, as one 64-bit word: offset in the low half, count in the high. */
export interface Slice {
  readonly offset: number;
  readonly count: number;
}

export const packSlice = (slice: Slice): bigint =>
  (BigInt(slice.count) << 32n) | BigInt(slice.offset);

export const unpackSlice = (word: bigint): Slice => ({
  offset: Number(word & 0xffff_ffffn),
  count: Number(word >> 32n),
});
