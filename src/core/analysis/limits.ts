import type { Arm } from '../slot.ts';
import type { HardLimits } from '../spec/platform.ts';
import type { ArmSecond, LatencyCounts, TrafficSecond } from '../traffic.ts';
import { bucketFrom, countFrom, mergeLatencies, quantile } from './histogram.ts';
import { errorsOf } from './traffic-minute.ts';
import type { ArmEvidence } from './verdict.ts';

/** Seconds that are looked at: long enough for a verdict at low rates, short enough that an old good hour hides nothing. */
export const WINDOW_SECONDS = 60;
/** Two-sided 99.9 % of the normal distribution. */
const Z = 3.29;
export const LEAST_EVENTS = 3;

interface Sums {
  readonly requests: number;
  readonly errors: number;
  readonly slow: number;
}

interface ArmSeen extends Sums {
  readonly latency: LatencyCounts;
}

/** The last minute. */
export interface LimitsState {
  /** Oldest first. */
  readonly recent: readonly Readonly<Record<Arm, ArmSeen>>[];
  readonly sums: Readonly<Record<Arm, Sums>>;
  /** At the end of the last second. */
  readonly waiting: Readonly<Record<Arm, LatencyCounts>>;
}

/** `open`: neither is certain. */
export type LimitsView = Readonly<Record<Arm, 'broken' | 'kept' | 'open'>>;

const none: Sums = { requests: 0, errors: 0, slow: 0 };

export const openLimits: LimitsState = {
  recent: [],
  sums: { stable: none, candidate: none },
  waiting: { stable: [], candidate: [] },
};

export function observeLimits(state: LimitsState, { arms }: TrafficSecond, limits: HardLimits): LimitsState {
  const from = bucketFrom(limits.maxP99Ms);
  const seen = { stable: see(arms.stable, from), candidate: see(arms.candidate, from) };
  const gone = state.recent.length >= WINDOW_SECONDS ? state.recent[0] : undefined;
  const recent = gone === undefined ? state.recent.slice() : state.recent.slice(1);
  recent.push(seen);
  return {
    recent,
    sums: {
      stable: slide(state.sums.stable, seen.stable, gone?.stable ?? none),
      candidate: slide(state.sums.candidate, seen.candidate, gone?.candidate ?? none),
    },
    waiting: { stable: arms.stable.waiting ?? [], candidate: arms.candidate.waiting ?? [] },
  };
}

const see = (arm: ArmSecond, slowFrom: number): ArmSeen => ({
  requests: arm.requests,
  errors: errorsOf(arm),
  slow: countFrom(arm.latency, slowFrom),
  latency: arm.latency,
});

const slide = (sums: Sums, added: Sums, gone: Sums): Sums => ({
  requests: sums.requests + added.requests - gone.requests,
  errors: sums.errors + added.errors - gone.errors,
  slow: sums.slow + added.slow - gone.slow,
});

/**
 * The guide's hard limits: success rate and 99th percentile of each arm over the last minute. "p99 at most t" is "at most 1 %
 * slower than t", so both are limits on a share, and a share is called broken (kept) only when its Wilson score interval lies
 * beyond (within) the limit: Wilson 1927, JASA 22(158), 209-212. It is not a sequential test: looking every second adds to the rate
 * of false alarms, which the wide interval keeps small.
 */
export const judgeLimits = (state: LimitsState, limits: HardLimits): LimitsView => ({
  stable: judgeArm(state, 'stable', limits),
  candidate: judgeArm(state, 'candidate', limits),
});

/** The same of one arm. */
export function judgeArm(state: LimitsState, arm: Arm, limits: HardLimits): LimitsView[Arm] {
  const { requests, errors, slow } = state.sums[arm];
  const unanswered = overdue(state, arm, limits);
  const byErrors = compare(errors, requests, allowedErrors(limits), limits.minRequests);
  const bySlow = compare(slow + unanswered, requests + unanswered, 0.01, limits.minRequests);
  if (byErrors === 'broken' || bySlow === 'broken') return 'broken';
  return byErrors === 'kept' && bySlow === 'kept' ? 'kept' : 'open';
}

/** Share of the requests that may fail. */
export const allowedErrors = (limits: HardLimits): number => 1 - limits.minSuccessPercent / 100;

/** Requests that are too slow already, whatever becomes of them. What waits for less may still be in time and says nothing yet. */
const overdueCounts = ({ waiting }: LimitsState, arm: Arm, limits: HardLimits): LatencyCounts =>
  waiting[arm].filter(([bucket]) => bucket >= bucketFrom(limits.maxP99Ms));

/** How many requests of an arm had no answer at the end of the last second, and are too late for one. */
export const overdue = ({ waiting }: LimitsState, arm: Arm, limits: HardLimits): number =>
  waiting[arm].length === 0 ? 0 : countFrom(waiting[arm], bucketFrom(limits.maxP99Ms));

/** An arm over the last minute, as people want to see it. */
export function viewArm(state: LimitsState, arm: Arm, limits: HardLimits): ArmEvidence {
  const latency = mergeLatencies([...state.recent.map((seen) => seen[arm].latency), overdueCounts(state, arm, limits)]);
  const { requests, errors } = state.sums[arm];
  return { requests, errors, p50Ms: quantile(latency, 0.5), p99Ms: quantile(latency, 0.99) };
}

/** How an arm stands to the limits, in words. */
export function describeArm(state: LimitsState, arm: Arm, limits: HardLimits): string {
  const { requests, errors, slow } = state.sums[arm];
  const unanswered = overdue(state, arm, limits);
  const { p99Ms } = viewArm(state, arm, limits);
  if (compare(errors, requests, allowedErrors(limits), limits.minRequests) === 'broken')
    return `${percent(errors, requests)} of ${requests} requests failed, limit ${percent(allowedErrors(limits), 1)}`;
  if (compare(slow + unanswered, requests + unanswered, 0.01, limits.minRequests) === 'broken')
    return `p99 is ${Math.round(p99Ms ?? 0)} ms over ${requests + unanswered} requests, limit ${limits.maxP99Ms} ms${unanswered === 0 ? '' : `; ${unanswered} of them still have no answer`}`;
  return `${percent(errors, requests)} of ${requests} requests failed, p99 ${p99Ms === null ? 'unknown' : `${Math.round(p99Ms)} ms`}`;
}

function compare(bad: number, all: number, limit: number, minRequests: number): LimitsView[Arm] {
  const [low, high] = wilson(bad, all);
  if (bad >= LEAST_EVENTS && low > limit) return 'broken';
  return all >= minRequests && high <= limit ? 'kept' : 'open';
}

/** Wilson score interval of a share, from 0 to 1; everything is possible without requests. */
export function wilson(bad: number, all: number): readonly [low: number, high: number] {
  if (all <= 0) return [0, 1];
  // Counts that cannot be (more bad ones than there are) must not become NaN.
  const share = Math.min(1, Math.max(0, bad / all));
  const z2 = (Z * Z) / all;
  const centre = share + z2 / 2;
  const spread = Z * Math.sqrt((share * (1 - share)) / all + z2 / (4 * all));
  return [Math.max(0, (centre - spread) / (1 + z2)), Math.min(1, (centre + spread) / (1 + z2))];
}

/** For people: "18.2 %". */
export const percent = (part: number, all: number): string =>
  all === 0 ? '0 %' : `${((100 * part) / all).toFixed(1).replace(/\.0$/, '')} %`;
