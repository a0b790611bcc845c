import { luck } from './luck.ts';

/** What the ranking knows of a track. What is not here it cannot favour: no language, no gender, no number of plays. */
export interface Candidate {
  readonly id: string;
  readonly artistId: string;
  readonly genre: string;
  /** Milliseconds since 1970. */
  readonly publishedAt: number;
}

/** What the ranking knows of whom it ranks for. */
export interface Taste {
  /** Share of what was last listened to, by genre: 0 to 1. */
  readonly genres: ReadonlyMap<string, number>;
  /** Tracks that were listened to lately. */
  readonly heard: ReadonlySet<string>;
}

export type Reason = 'your-turn' | 'genre-you-play' | 'not-heard-yet' | 'new-release';

export interface Because {
  readonly reason: Reason;
  /** Ten points double the chance of being shown. */
  readonly points: number;
}

export interface Ranked {
  readonly id: string;
  /** The sum of the points. */
  readonly score: number;
  readonly because: readonly Because[];
}

/** One thing that makes a track more likely. */
export interface Rule {
  readonly reason: Reason;
  points(track: Candidate, taste: Taste, nowMs: number): number;
}

/** For how long a track is a new release. */
const NEW_MS = 30 * 24 * 60 * 60 * 1000;

/** All rules there are. Together they are worth at most 14 points: a chance 2.64 times as large. */
export const RULES: readonly Rule[] = [
  { reason: 'genre-you-play', points: (track, taste) => 10 * (taste.genres.get(track.genre) ?? 0) },
  { reason: 'not-heard-yet', points: (track, taste) => (taste.heard.has(track.id) ? 0 : 3) },
  { reason: 'new-release', points: (track, _taste, nowMs) => (nowMs - track.publishedAt < NEW_MS ? 1 : 0) },
];

/** How many tracks of one artist a page has at most. */
export const PER_ARTIST = 2;

/**
 * Draws a page by lot, where points are tickets: a track with ten points more has twice the chance. The lot is told as points
 * too (`your-turn`), so the score is the sum of all that is in `because`, and the page is sorted by it.
 *
 * That this is the same as drawing one track after the other without putting it back, each with a chance in proportion to
 * 2^(points / 10), is the Gumbel-max trick: the largest of log-weight + Gumbel noise falls on each in proportion to its
 * weight, and so on down the order (J. Yellott, J. Math. Psychology 15, 1977; W. Kool et al., ICML 2019, section 2.3).
 *
 * @param seed decides the lots; the same for the same page
 * @param count tracks on the page at most
 */
export function rank(
  candidates: readonly Candidate[],
  taste: Taste,
  draw: { readonly seed: string; readonly nowMs: number; readonly count: number },
  rules: readonly Rule[] = RULES,
): readonly Ranked[] {
  const scored = candidates.map((track) => {
    const chance = luck(draw.seed, track.id);
    const because = [
      { reason: 'your-turn' as const, points: hundredths(gumbelPoints(chance)) },
      ...rules.map((rule) => ({
        reason: rule.reason,
        points: hundredths(rule.points(track, taste, draw.nowMs)),
      })),
    ].filter(({ points }) => points !== 0);
    const score = hundredths(because.reduce((sum, { points }) => sum + points, 0));
    return { track, because, score, chance };
  });
  // Equal scores, which rounding can make, go by the lot before it was rounded: never by id, name or age.
  scored.sort((one, other) => other.score - one.score || other.chance - one.chance);

  const perArtist = new Map<string, number>();
  const page: Ranked[] = [];
  for (const { track, score, because } of scored) {
    if (page.length === draw.count) break;
    const already = perArtist.get(track.artistId) ?? 0;
    if (already === PER_ARTIST) continue;
    perArtist.set(track.artistId, already + 1);
    page.push({ id: track.id, score, because });
  }
  return page;
}

/** Gumbel noise, in points: log-weights are natural logarithms, and ten points are a factor of two. */
function gumbelPoints(uniform: number): number {
  return (10 / Math.LN2) * -Math.log(-Math.log(uniform));
}

function hundredths(value: number): number {
  return Math.round(value * 100) / 100;
}
