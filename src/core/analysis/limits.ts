import type { Arm } from '../slot.ts';
import type { HardLimits } from '../spec/platform.ts';
import type { ArmSecond, TrafficSecond } from '../traffic.ts';
import { boundsOf, countAbove, mergeLatencies, quantile, totalCount } from './histogram.ts';
import type { ArmEvidence, Evidence, Judge, Judgement, Verdict } from './verdict.ts';

/** Seconds that are looked at: long enough for a verdict at low rates, short enough that an old good hour hides nothing. */
const WINDOW_SECONDS = 60;
/** Two-sided 99.9 % of the normal distribution. */
const Z = 3.29;
const LEAST_ERRORS = 3;

export interface LimitsState {
  /** The last seconds, oldest first. */
  readonly seconds: readonly TrafficSecond[];
}

/**
 * The guide's hard limits as a judge: success rate and 99th percentile of each arm over the last minute. "p99 at most t"
 * is "at most 1 % slower than t", so both are limits on a share, and a share is called broken (kept) only when its Wilson
 * score interval lies beyond (within) the limit: Wilson 1927, JASA 22(158), 209-212. It is not a sequential test: looking every
 * second adds to the rate of false alarms, which the wide interval keeps small.
 */
export function limitsJudge(limits: HardLimits): Judge<LimitsState> {
  return {
    start: () => ({ seconds: [] }),
    observe: (state, second) => ({ seconds: [...state.seconds.slice(1 - WINDOW_SECONDS), second] }),
    judge: (state) => judge(state, limits),
  };
}

interface ArmView {
  readonly verdict: 'broken' | 'kept' | 'open';
  readonly evidence: ArmEvidence;
  readonly text: string;
}

function judge(state: LimitsState, limits: HardLimits): Judgement {
  const candidate = viewArm(state, 'candidate', limits);
  const stable = viewArm(state, 'stable', limits);
  const stableBroken = stable.verdict === 'broken';
  let verdict: Verdict = 'undecided';
  if (candidate.verdict === 'broken' && !stableBroken) verdict = 'worse';
  else if (candidate.verdict === 'kept' && !stableBroken) verdict = 'not-worse';
  const evidence: Evidence = {
    summary: stableBroken ? `stable breaks its limits too: ${stable.text}` : `the candidate: ${candidate.text}`,
    candidate: candidate.evidence,
    stable: stable.evidence,
  };
  return { verdict, stableBroken, evidence };
}

function viewArm(state: LimitsState, arm: Arm, limits: HardLimits): ArmView {
  const seconds = state.seconds.map((second) => second.arms[arm]);
  const requests = sum(seconds, (second) => second.requests);
  const errors = sum(seconds, (second) => second.serverErrors + second.gatewayErrors);
  // Too slow already, whatever becomes of them. What waits for less may still be in time and says nothing yet.
  const overdue = (seconds.at(-1)?.waiting ?? []).filter(([bucket]) => boundsOf(bucket).fromMs >= limits.maxP99Ms);
  const unanswered = totalCount(overdue);
  const latency = mergeLatencies([...seconds.map((second) => second.latency), overdue]);
  const slow = countAbove(latency, limits.maxP99Ms);
  const evidence: ArmEvidence = { requests, errors, p50Ms: quantile(latency, 0.5), p99Ms: quantile(latency, 0.99) };
  const allowedErrors = 1 - limits.minSuccessPercent / 100;
  const byErrors = compare(errors, requests, allowedErrors, limits.minRequests);
  const bySlow = compare(slow, requests + unanswered, 0.01, limits.minRequests);
  if (byErrors === 'broken') {
    return {
      verdict: 'broken',
      evidence,
      text: `${percent(errors, requests)} of ${requests} requests failed, limit ${percent(allowedErrors, 1)}`,
    };
  }
  if (bySlow === 'broken') {
    return {
      verdict: 'broken',
      evidence,
      text: `p99 is ${Math.round(evidence.p99Ms ?? 0)} ms over ${requests + unanswered} requests, limit ${limits.maxP99Ms} ms${unanswered === 0 ? '' : `; ${unanswered} of them still have no answer`}`,
    };
  }
  const text = `${percent(errors, requests)} of ${requests} requests failed, p99 ${evidence.p99Ms === null ? 'unknown' : `${Math.round(evidence.p99Ms)} ms`}`;
  return { verdict: byErrors === 'kept' && bySlow === 'kept' ? 'kept' : 'open', evidence, text };
}

function compare(bad: number, all: number, limit: number, minRequests: number): ArmView['verdict'] {
  const [low, high] = wilson(bad, all);
  if (bad >= LEAST_ERRORS && low > limit) return 'broken';
  return all >= minRequests && high <= limit ? 'kept' : 'open';
}

/** Wilson score interval of a share, from 0 to 1; everything is possible without requests. */
export function wilson(bad: number, all: number): readonly [low: number, high: number] {
  if (all === 0) return [0, 1];
  const share = bad / all;
  const z2 = (Z * Z) / all;
  const centre = share + z2 / 2;
  const spread = Z * Math.sqrt((share * (1 - share)) / all + z2 / (4 * all));
  return [Math.max(0, (centre - spread) / (1 + z2)), Math.min(1, (centre + spread) / (1 + z2))];
}

const sum = (seconds: readonly ArmSecond[], of: (second: ArmSecond) => number): number =>
  seconds.reduce((total, second) => total + of(second), 0);

const percent = (part: number, all: number): string =>
  all === 0 ? '0 %' : `${((100 * part) / all).toFixed(1).replace(/\.0$/, '')} %`;
