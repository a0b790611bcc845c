import { evidenceOf, openBets, settle, type Bets } from './bets.ts';
import { eventFactors, eventFactorsAgainstPast, MORE_EVENTS, type ArmCounts } from './event-evidence.ts';
import type { AnalysisSettings } from './settings.ts';
import { allowedErrors } from './limits.ts';
import type { HardLimits } from '../spec/platform.ts';
import type { TrafficSecond } from '../traffic.ts';
import { openMetric, track, worseOf, type TrackedMetric } from './tracked-metric.ts';
import { errorsOf } from './traffic-minute.ts';

/**
 * The hard limit of errors beside a baseline. Null hypothesis: the candidate fails at most what the limit allows, **or** at most what stable fails.
 * An e-value against each; the smaller one is an e-value against both together, so who breaks the limit by chance, or together with
 * stable, is taken back with the probability alpha at most, like everybody else.
 */
export interface LimitWatch {
  readonly aboveLimit: Bets;
  readonly aboveStable: TrackedMetric;
  /** Stable has broken the limits once: then nobody is held to them for the rest of the rollout, only to stable. */
  readonly isOff: boolean;
}

export const openLimitWatch = (): LimitWatch => ({
  aboveLimit: openBets(MORE_EVENTS.length),
  aboveStable: openMetric(MORE_EVENTS.length),
  isOff: false,
});

/**
 * @param stableBroken stable breaks its limits in the minute that ends with this second
 * @param dispersion how many errors come at once, as known before this second
 */
export function watchLimit(
  watch: LimitWatch,
  { second, arms }: TrafficSecond,
  settings: AnalysisSettings,
  limits: HardLimits,
  stableBroken: boolean,
  dispersion: number,
): LimitWatch {
  const isOff = watch.isOff || stableBroken;
  const counts: ArmCounts = {
    candidateTotal: arms.candidate.requests,
    candidateEvents: errorsOf(arms.candidate),
    stableTotal: arms.stable.requests,
    stableEvents: errorsOf(arms.stable),
  };
  if (counts.candidateTotal === 0 || counts.stableTotal === 0 || isOff) return { ...watch, isOff };
  const { horizonSeconds } = settings;
  const { candidateTotal, candidateEvents } = counts;
  const exactly = { ratio: 1, allowance: 0 };
  const beyond = eventFactorsAgainstPast(candidateTotal, candidateEvents, allowedErrors(limits), exactly, dispersion);
  return {
    isOff,
    aboveLimit: settle(watch.aboveLimit, beyond, horizonSeconds, second - watch.aboveStable.lastSecond),
    aboveStable: track(watch.aboveStable, {
      second,
      counts,
      logFactors: eventFactors(counts, exactly, dispersion, MORE_EVENTS),
      margin: null,
      dispersion,
      horizonSeconds,
    }),
  };
}

/** The e-value that the candidate breaks the limit, and not because stable does. */
export const beyondLimit = ({ aboveLimit, aboveStable, isOff }: LimitWatch, leastEvents: number): number =>
  isOff ? 0 : Math.min(evidenceOf(aboveLimit), worseOf(aboveStable, leastEvents));
