/**
 * Since when the candidate is worse, as far as can be told: the start of the stretch that speaks loudest for one
 * alternative (the statistic of Page's CUSUM, Biometrika 41, 1954). An estimate for people, no test.
 */
export interface Onset {
  readonly sums: readonly number[];
  readonly since: readonly number[];
}

export const openOnset = (alternatives: number): Onset => ({
  sums: Array.from({ length: alternatives }, () => 0),
  since: Array.from({ length: alternatives }, () => 0),
});

/** @param logFactors of this second, one an alternative. @param second UTC seconds */
export function follow(onset: Onset, logFactors: readonly number[], second: number): Onset {
  if (logFactors.every(isNothing)) return onset;
  const since: number[] = [];
  const sums: number[] = [];
  for (let index = 0; index < onset.sums.length; index += 1) {
    const before = onset.sums[index] ?? 0;
    since.push(before <= 0 ? second : (onset.since[index] ?? second));
    sums.push(Math.max(0, before + (logFactors[index] ?? 0)));
  }
  return { sums, since };
}

const isNothing = (log: number): boolean => log === 0;

/** UTC seconds; null when nothing speaks against the candidate. */
export function onsetOf(onset: Onset): number | null {
  let best = 0;
  let since: number | null = null;
  onset.sums.forEach((sum, index) => {
    if (sum <= best) return;
    best = sum;
    since = onset.since[index] ?? null;
  });
  return since;
}
