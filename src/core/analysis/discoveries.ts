/**
 * Which of many hypotheses are rejected, so that of those that are, a share of at most `level` is true on average, whatever depends on
 * what: the e-BH procedure. With the e-values in descending order it takes the largest k for which the k-th is at least
 * tested / (level k) (Wang & Ramdas 2022, J. R. Statist. Soc. B 84, arXiv 2009.02824).
 *
 * @param evidence e-values, one a hypothesis
 * @param level false discovery rate, 0.05 is 5 %
 * @returns indices into `evidence`
 */
export function discoveries(evidence: readonly number[], level: number): ReadonlySet<number> {
  const order = evidence.map((_, index) => index).sort((a, b) => (evidence[b] ?? 0) - (evidence[a] ?? 0));
  let taken = 0;
  order.forEach((index, rank) => {
    if ((evidence[index] ?? 0) >= evidence.length / (level * (rank + 1))) taken = rank + 1;
  });
  return new Set(order.slice(0, taken));
}
