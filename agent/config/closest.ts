/**
 * The candidates that `text` was most likely meant to be, best first: those that contain it, and
 * those at an edit distance of at most a third of its length (at least 2).
 */
export function closest(
  text: string,
  candidates: Iterable<string>,
  limit: number,
): readonly string[] {
  const wanted = text.toLowerCase();
  const reach = Math.max(2, Math.floor(wanted.length / 3));
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, score: score(wanted, candidate.toLowerCase()) }))
    .filter(({ score }) => score <= reach)
    .sort((a, b) => a.score - b.score || a.candidate.localeCompare(b.candidate))
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

function score(wanted: string, candidate: string): number {
  const distance = editDistance(wanted, candidate);
  return wanted.length >= 3 && candidate.includes(wanted) ? Math.min(distance, 1) : distance;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
