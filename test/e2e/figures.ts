/** Percentiles of nanoseconds as one readable text, in milliseconds. */
export function spread(nanoseconds: readonly number[]): string {
  const sorted = nanoseconds.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return `${(value / 1e6).toFixed(2)} ms`;
  };
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} (${sorted.length})`;
}
