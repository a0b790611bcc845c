/**
 * Number of single-character insertions, deletions, replacements and swaps of neighbours that turn one text into the
 * other (optimal string alignment distance; Damerau 1964).
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, at(beforeLast, column - 2) + 1);
      }
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

/**
 * The candidate that a person most likely meant, or null when none is near: case does not count, and no more than a
 * third of the letters may differ (one in short words). Of equally near ones the first wins.
 */
export function nearest(written: string, candidates: readonly string[]): string | null {
  // Nobody mistypes a name into something this long, and the distance costs the product of both lengths.
  if (written.length > 64) return null;
  const text = simplify(written);
  let best: { readonly candidate: string; readonly distance: number } | null = null;
  for (const candidate of candidates) {
    const simple = simplify(candidate);
    const longest = Math.max(text.length, simple.length);
    let distance = editDistance(text, simple);
    // "staging-env" for "staging", "dir" for "directory": one is the beginning of the other.
    if (
      distance > 1 &&
      Math.min(text.length, simple.length) >= 3 &&
      (simple.startsWith(text) || text.startsWith(simple))
    ) {
      distance = 1.5;
    }
    if (distance > Math.max(1.5, longest / 3)) continue;
    if (best === null || distance < best.distance) best = { candidate, distance };
  }
  return best?.candidate ?? null;
}

const simplify = (text: string): string => text.toLowerCase().replace(/[-_ ]/g, '');

const at = (row: readonly number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY;
