/** How much of the attention a group gets, measured against its share of the catalogue. */
export interface ExposureRatio {
  readonly group: string;
  /** Tracks of the group among all tracks: 0 to 1. */
  readonly catalogueShare: number;
  /** Exposure share divided by catalogue share: 1 is parity. */
  readonly ratio: number;
  /** Ends of the confidence interval of the ratio. */
  readonly low: number;
  readonly high: number;
  readonly verdict: ExposureVerdict;
}

/**
 * - `parity`: the whole interval lies within the bound
 * - `bias`: the whole interval lies outside of it
 * - `undecided`: neither; more pages are needed. It does not pass.
 */
export type ExposureVerdict = 'parity' | 'bias' | 'undecided';

/**
 * The ratio of shares may be between four fifths and its inverse: the four-fifths rule of the US Uniform Guidelines on Employee
 * Selection Procedures, 29 CFR 1607.4(D), taken in both directions.
 */
export const BOUND = { low: 0.8, high: 1.25 } as const;

/**
 * Compares, for each group, the share of exposure with the share of the catalogue (demographic parity of exposure: A. Singh,
 * T. Joachims, "Fairness of Exposure in Rankings", KDD 2018, section 4.1).
 *
 * The track at place j of a page gets 1 / log2(1 + j) of attention (the same paper, section 3.2), and a group's exposure on a
 * page is its part of the page's attention. Pages are drawn independently, so the mean over pages has a normal interval
 * mean ± z·s/√n. That the whole interval must lie within the bound is a test of equivalence (D. Schuirmann, J. Pharmacokinetics and
 * Biopharmaceutics 15, 1987): too few pages do not pass, they prove nothing.
 *
 * @param groupOf the group of each track of the catalogue
 * @param pages ids of tracks in the order in which they were shown; at least two pages, none empty
 * @param z width of the interval in standard errors: 3.29 is 99.9 % for each group
 */
export function measureExposure(
  groupOf: ReadonlyMap<string, string>,
  pages: readonly (readonly string[])[],
  z = 3.29,
): readonly ExposureRatio[] {
  if (pages.length < 2 || pages.some((page) => page.length === 0))
    throw new RangeError('at least two pages, none empty');
  const tracks = new Map<string, number>();
  for (const group of groupOf.values()) tracks.set(group, (tracks.get(group) ?? 0) + 1);

  return [...tracks].map(([group, count]) => {
    const catalogueShare = count / groupOf.size;
    const shares = pages.map((page) => exposureShare(page, groupOf, group));
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / (shares.length - 1);
    const margin = z * Math.sqrt(variance / shares.length);
    const low = (mean - margin) / catalogueShare;
    const high = (mean + margin) / catalogueShare;
    return { group, catalogueShare, ratio: mean / catalogueShare, low, high, verdict: judge(low, high) };
  });
}

function exposureShare(page: readonly string[], groupOf: ReadonlyMap<string, string>, group: string): number {
  let own = 0;
  let all = 0;
  for (const [index, track] of page.entries()) {
    const attention = 1 / Math.log2(index + 2);
    all += attention;
    if (groupOf.get(track) === group) own += attention;
  }
  return own / all;
}

function judge(low: number, high: number): ExposureVerdict {
  if (low >= BOUND.low && high <= BOUND.high) return 'parity';
  return high < BOUND.low || low > BOUND.high ? 'bias' : 'undecided';
}
