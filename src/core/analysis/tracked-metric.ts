import type { Arm } from '../slot.ts';
import { evidenceOf, openBets, settle, type Bets } from './bets.ts';
import type { ArmCounts, EventSettings } from './event-evidence.ts';
import { follow, openOnset, type Onset } from './onset.ts';
import { openPromotion, promote, promotionOf, type Promotion } from './promotion.ts';
import type { MetricEvidence, MetricTotals } from './verdict.ts';

/** All that is known of one metric since the first exposure. */
export interface TrackedMetric {
  readonly bets: Bets;
  /** UTC second of the last bet. */
  readonly lastSecond: number;
  readonly onset: Onset;
  readonly promotion: Promotion;
  readonly candidate: MetricTotals;
  readonly stable: MetricTotals;
  /** The arm that must have had some events before anything is believed: the one that has more of them if the candidate is worse. */
  readonly witness: Arm;
}

const nothing: MetricTotals = { events: 0, total: 0 };

export const openMetric = (alternatives: number, witness: Arm = 'candidate'): TrackedMetric => ({
  bets: openBets(alternatives),
  lastSecond: 0,
  onset: openOnset(alternatives),
  promotion: openPromotion(),
  candidate: nothing,
  stable: nothing,
  witness,
});

export interface MetricSecond {
  /** UTC seconds. */
  readonly second: number;
  readonly counts: ArmCounts;
  /** Log likelihood ratios that the candidate is worse, one an alternative. */
  readonly logFactors: readonly number[];
  /** What the candidate must be shown to keep; null: no promotion waits for this metric. */
  readonly margin: EventSettings | null;
  readonly dispersion: number;
  readonly horizonSeconds: number;
}

/** Folds in a second in which something was counted. */
export function track(metric: TrackedMetric, seen: MetricSecond): TrackedMetric {
  const { counts, logFactors, margin, dispersion } = seen;
  return {
    bets: settle(metric.bets, logFactors, seen.horizonSeconds, seen.second - metric.lastSecond),
    lastSecond: seen.second,
    onset: follow(metric.onset, logFactors, seen.second),
    promotion: margin === null ? metric.promotion : promote(metric.promotion, counts, margin, dispersion),
    candidate: add(metric.candidate, counts.candidateEvents, counts.candidateTotal),
    stable: add(metric.stable, counts.stableEvents, counts.stableTotal),
    witness: metric.witness,
  };
}

const add = (sum: MetricTotals, events: number, total: number): MetricTotals => ({
  events: sum.events + events,
  total: sum.total + total,
});

/** The e-value that the candidate is worse; too few events to be taken at its word count as no evidence. */
export function worseOf(metric: TrackedMetric, leastEvents: number): number {
  const evidence = evidenceOf(metric.bets);
  return metric[metric.witness].events >= leastEvents ? evidence : Math.min(evidence, 1);
}

export function describeMetric(
  name: string,
  metric: TrackedMetric,
  told: {
    readonly worse: number;
    readonly needed: number;
    readonly shownAt: number | null;
    readonly dispersion: number;
  },
): MetricEvidence {
  return {
    metric: name,
    worse: told.worse,
    needed: told.needed,
    notWorse: told.shownAt === null ? null : promotionOf(metric.promotion),
    shownAt: told.shownAt ?? 0,
    dispersion: told.dispersion,
    candidate: metric.candidate,
    stable: metric.stable,
  };
}
