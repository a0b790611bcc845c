import type { ArmSecond, TrafficSecond } from '../traffic.ts';
import { addJump, dispersionOfBoth, noJumps, type EventJumps } from './dispersion.ts';
import { eventFactors, eventFactorsAgainstPast, MORE_EVENTS, type ArmCounts } from './event-evidence.ts';
import { wilson } from './limits.ts';
import { momentsOfPast, noPast, remember, rememberMinute, type Past } from './past.ts';
import type { AnalysisSettings } from './settings.ts';
import { openMetric, track, type TrackedMetric } from './tracked-metric.ts';
import { errorsOf, type TrafficMinute } from './traffic-minute.ts';

/** So many requests, or seconds, of the candidate in a row without one of stable, and stable is not there: 5 % would have had some. */
const WITHOUT_REQUESTS = 300;
const WITHOUT_SECONDS = 30;
const FIRST_REQUESTS = 30;
const FIRST_SECONDS = 5;
/** Requests that stable must have had in its last hour before it can be compared with. */
const LEAST_PAST = 100;
/** Seconds with requests of one arm only wait so long for the other's, where there is little traffic. */
const BLOCK_SECONDS = 10;

export interface ErrorWatch {
  readonly past: Past;
  /** Of the candidate. */
  readonly jumps: EventJumps;
  readonly metric: TrackedMetric;
  /** Of the candidate since stable's last request. */
  readonly without: { readonly seconds: number; readonly requests: number };
  /** Requests of one arm that none of the other has been beside yet, since when; null when there are none. */
  readonly waiting: { readonly from: number; readonly counts: ArmCounts } | null;
  /** Part of the evidence comes from the comparison with the past. */
  readonly againstPast: boolean;
}

export const openErrorWatch = (minutes: readonly TrafficMinute[]): ErrorWatch => ({
  past: minutes.reduce((past, { minute, errors }) => rememberMinute(past, minute, errors), noPast),
  jumps: noJumps,
  metric: openMetric(MORE_EVENTS.length),
  // At the beginning less is enough: who has a stable release beside it sees it at once.
  without: { seconds: WITHOUT_SECONDS - FIRST_SECONDS, requests: WITHOUT_REQUESTS - FIRST_REQUESTS },
  waiting: null,
  againstPast: false,
});

export const errorDispersion = (watch: ErrorWatch, settings: AnalysisSettings): number =>
  settings.burst ?? dispersionOfBoth(momentsOfPast(watch.past), watch.jumps);

/** Stable has had requests of late, so that there is something to compare the candidate with. */
export const hasBaseline = ({ without }: ErrorWatch): boolean =>
  without.seconds < WITHOUT_SECONDS && without.requests < WITHOUT_REQUESTS;

/**
 * Folds in a second. Before there are users the copies of their requests count as requests do. A copy may depend on its original
 * in any way: with C and S the two outcomes, E[(1 + C (a-1)) (1 - S (1-b))] <= 1 + pc (a-1) - pb (1-b), for the product of the two is
 * never positive. They promote nobody: they are safe requests only.
 *
 * Where a second has requests of one arm only, it waits for the next one with some of the other, up to ten seconds; how long
 * depends on numbers of requests alone.
 *
 * @param betting false in the warm-up: then only stable's past is learned
 */
export function watchErrors(
  watch: ErrorWatch,
  { second, arms, mirror }: TrafficSecond,
  settings: AnalysisSettings,
  betting: boolean,
): ErrorWatch {
  const { candidate, stable } = arms;
  const candidateErrors = errorsOf(candidate);
  const stableErrors = errorsOf(stable);
  const next = {
    past: remember(watch.past, second, stable.requests, stableErrors),
    jumps: addJump(watch.jumps, candidate.requests, candidateErrors),
    without: withoutStable(watch, candidate, stable),
  };
  const { metric, againstPast } = watch;
  if (!betting) return { ...next, metric, againstPast, waiting: null };
  // What is known before this second decides how it is weighed.
  const dispersion = errorDispersion(watch, settings);
  const limit = { ratio: 1 + settings.delta, allowance: settings.allowance };
  const fold = (counts: ArmCounts, logFactors: readonly number[], promoting: boolean): TrackedMetric =>
    track(metric, {
      second,
      counts,
      logFactors,
      margin: promoting ? { ratio: 1, allowance: settings.margin } : null,
      dispersion,
      horizonSeconds: settings.horizonSeconds,
    });
  if (mirror !== undefined && mirror.pairs > 0) {
    const copies: ArmCounts = {
      candidateTotal: mirror.pairs,
      candidateEvents: mirror.candidateErrors,
      stableTotal: mirror.pairs,
      stableEvents: mirror.stableErrors,
    };
    const folded = fold(copies, eventFactors(copies, limit, dispersion, MORE_EVENTS), false);
    return { ...next, metric: folded, againstPast, waiting: null };
  }
  const waited = watch.waiting !== null && second - watch.waiting.from < BLOCK_SECONDS ? watch.waiting : null;
  const counts: ArmCounts = {
    candidateTotal: candidate.requests + (waited?.counts.candidateTotal ?? 0),
    candidateEvents: candidateErrors + (waited?.counts.candidateEvents ?? 0),
    stableTotal: stable.requests + (waited?.counts.stableTotal ?? 0),
    stableEvents: stableErrors + (waited?.counts.stableEvents ?? 0),
  };
  if (counts.candidateTotal > 0 && counts.stableTotal > 0) {
    const folded = fold(counts, eventFactors(counts, limit, dispersion, MORE_EVENTS), true);
    return { ...next, metric: folded, againstPast, waiting: null };
  }
  if (candidate.requests > 0 && !hasBaseline(watch)) {
    const known = momentsOfPast(watch.past);
    if (known.total < LEAST_PAST) return { ...next, metric, againstPast: true, waiting: null };
    const [, atMost] = wilson(known.events, known.total);
    const factors = eventFactorsAgainstPast(candidate.requests, candidateErrors, atMost, limit, dispersion);
    const alone = { ...counts, candidateTotal: candidate.requests, candidateEvents: candidateErrors };
    return { ...next, metric: fold(alone, factors, false), againstPast: true, waiting: null };
  }
  const isSilent = counts.candidateTotal === 0 && counts.stableTotal === 0;
  return { ...next, metric, againstPast, waiting: isSilent ? null : { from: waited?.from ?? second, counts } };
}

/** Who makes its users wait is there. */
function withoutStable({ without }: ErrorWatch, candidate: ArmSecond, stable: ArmSecond): ErrorWatch['without'] {
  if (isThere(stable)) return without.seconds === 0 ? without : { seconds: 0, requests: 0 };
  return isThere(candidate)
    ? { seconds: without.seconds + 1, requests: without.requests + candidate.requests }
    : without;
}

const isThere = (arm: ArmSecond): boolean => arm.requests > 0 || (arm.waiting !== undefined && arm.waiting.length > 0);
