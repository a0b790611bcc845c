import type { LatencyCounts } from '../traffic.ts';
import { evidenceOf, openBets, settle, type Bets } from './bets.ts';
import { addSecond, dispersionOf, noMoments, type EventMoments } from './dispersion.ts';
import { eventFactors, MORE_EVENTS, type ArmCounts } from './event-evidence.ts';
import { boundsOf, bucketFrom, bucketHolding, mergeLatencies, totalCount } from './histogram.ts';
import { LEAST_ABOVE, slowCounts, slowFactors, slowShare, SLOWER, type SlowFrom } from './latency-evidence.ts';
import type { RouteArms } from './route-blocks.ts';

/** `errors`: 5xx, and requests that nobody answered. `client-errors`: 4xx. */
export type RouteKind = 'errors' | 'client-errors' | 'slow';

/** One route and kind. Bets are placed block by block, with the factors of the judge. */
export interface RouteWatch {
  readonly bets: Bets;
  /** Of stable, by block. */
  readonly moments: EventMoments;
  readonly strata: ReadonlyMap<number, ArmCounts>;
}

export interface RouteRules {
  readonly delta: number;
  readonly allowance: number;
  /** At least so many events are taken to come at once. */
  readonly dispersion: number;
  /** Fixed by declaration; null: found out. */
  readonly burst: number | null;
  /** Blocks of the longest rollout. */
  readonly horizon: number;
}

const noCounts: ArmCounts = { candidateTotal: 0, candidateEvents: 0, stableTotal: 0, stableEvents: 0 };

export const openRoute = (alternatives: number): RouteWatch => ({
  bets: openBets(alternatives),
  moments: noMoments,
  strata: new Map(),
});

export const openEvents = (): RouteWatch => openRoute(MORE_EVENTS.length);

export const routeDispersion = (watch: RouteWatch, rules: RouteRules): number =>
  rules.burst ?? Math.max(rules.dispersion, dispersionOf(watch.moments));

export const routeEvidence = (watch: RouteWatch): number => evidenceOf(watch.bets);

/** Answers of one kind in a block. */
export function countsOf(arms: RouteArms, kind: Exclude<RouteKind, 'slow'>): ArmCounts {
  return {
    candidateTotal: arms.candidate.requests,
    candidateEvents: eventsIn(arms.candidate.bad, kind),
    stableTotal: arms.stable.requests,
    stableEvents: eventsIn(arms.stable.bad, kind),
  };
}

function eventsIn(bad: Readonly<Record<string, number>>, kind: Exclude<RouteKind, 'slow'>): number {
  let sum = 0;
  for (const [status, count] of Object.entries(bad)) if (kindOf(status) === kind) sum += count;
  return sum;
}

export const kindOf = (status: string): Exclude<RouteKind, 'slow'> =>
  status.startsWith('4') ? 'client-errors' : 'errors';

/** Folds a block in. */
export function watchEvents(watch: RouteWatch, counts: ArmCounts, weight: number, rules: RouteRules): RouteWatch {
  const dispersion = routeDispersion(watch, rules);
  const isCompared = counts.candidateTotal > 0 && counts.stableTotal > 0;
  const limit = { ratio: 1 + rules.delta, allowance: rules.allowance };
  return {
    bets: isCompared
      ? settle(watch.bets, eventFactors(counts, limit, dispersion, MORE_EVENTS), rules.horizon)
      : watch.bets,
    moments: addSecond(watch.moments, counts.stableTotal, counts.stableEvents),
    strata: addTo(watch.strata, weight, counts),
  };
}

function addTo(
  strata: ReadonlyMap<number, ArmCounts>,
  weight: number,
  counts: ArmCounts,
): ReadonlyMap<number, ArmCounts> {
  const before = strata.get(weight) ?? noCounts;
  return new Map(strata).set(weight, {
    candidateTotal: before.candidateTotal + counts.candidateTotal,
    candidateEvents: before.candidateEvents + counts.candidateEvents,
    stableTotal: before.stableTotal + counts.stableTotal,
    stableEvents: before.stableEvents + counts.stableEvents,
  });
}

/** Quantiles of stable's latency on the route, with which the candidate's are compared. */
const SLOW_QUANTILES = [0.5, 0.95] as const;
/** A coarse entry stands for so many buckets. */
const COARSE = 8;

interface SlowQuantile {
  readonly quantile: number;
  readonly watch: RouteWatch;
}

export interface SlowWatch {
  /** Of stable, before this block. */
  readonly past: LatencyCounts;
  readonly quantiles: readonly SlowQuantile[];
  /** Milliseconds from which a request of the candidate was slow last, one a quantile; null before anything was compared. */
  readonly fromMs: readonly (number | null)[];
}

export const openSlow = (): SlowWatch => ({
  past: [],
  quantiles: SLOW_QUANTILES.map((quantile) => ({ quantile, watch: openRoute(SLOWER.length) })),
  fromMs: SLOW_QUANTILES.map(() => null),
});

/** Folds a block in. What is slow is known from stable's blocks before. */
export function watchSlow(
  slow: SlowWatch,
  arms: RouteArms,
  weight: number,
  rules: RouteRules & { readonly slower: number },
): SlowWatch {
  const [candidate, stable] = [arms.candidate.latency, arms.stable.latency];
  const fromMs = [...slow.fromMs];
  const quantiles = slow.quantiles.map(({ quantile, watch }, index): SlowQuantile => {
    const from = coarseSlowFrom(slow.past, quantile, rules.slower);
    if (from === null) return { quantile, watch };
    const counts = slowCounts(candidate, stable, from);
    if (counts.candidateTotal > 0) fromMs[index] = boundsOf(from.candidate).fromMs;
    const isCompared = counts.candidateTotal > 0 && counts.stableTotal > 0;
    const { moments } = watch;
    const share = slowShare(quantile, { total: moments.total, events: moments.events });
    const dispersion = rules.burst ?? dispersionOf(moments);
    return {
      quantile,
      watch: {
        bets: isCompared ? settle(watch.bets, slowFactors(counts, share, dispersion), rules.horizon) : watch.bets,
        moments: addSecond(moments, counts.stableTotal, counts.stableEvents),
        strata: addTo(watch.strata, weight, counts),
      },
    };
  });
  return { past: stable.length === 0 ? slow.past : mergeLatencies([slow.past, stable]), quantiles, fromMs };
}

/** The quantile that says most, and the mean of all, which is an e-value itself. */
export function slowEvidence({ quantiles, fromMs }: SlowWatch): {
  readonly evidence: number;
  readonly watch: RouteWatch;
  readonly fromMs: number | null;
} {
  const values = quantiles.map(({ watch }) => routeEvidence(watch));
  const best = values.reduce((most, value, index) => (value > (values[most] ?? 0) ? index : most), 0);
  return {
    evidence: values.reduce((sum, value) => sum + value / values.length, 0),
    watch: quantiles[best]?.watch ?? openRoute(SLOWER.length),
    fromMs: fromMs[best] ?? null,
  };
}

/**
 * As `slowFrom`, of counts in coarse buckets: thresholds lie on their edges, so a difference below a quarter of an octave (19 %) may not be
 * seen.
 */
function coarseSlowFrom(past: LatencyCounts, quantile: number, tolerance: number): SlowFrom | null {
  const total = totalCount(past);
  if (total * (1 - quantile) < LEAST_ABOVE) return null;
  const holding = bucketHolding(past, quantile, total);
  return { stable: holding + 1, candidate: bucketFrom(boundsOf(holding + COARSE).fromMs * (1 + tolerance)) };
}
