import type { TrafficSecond } from '../traffic.ts';
import type { TrafficMinute } from './traffic-minute.ts';

export type Verdict = 'worse' | 'not-worse' | 'undecided';

/** What a verdict rests on. `past`: compared with stable's last hour for want of a baseline beside it, which is weaker. */
export type Rule = 'comparison' | 'past' | 'limits' | 'breaker' | 'mirror' | 'metric-limit';

/** What led to a verdict, for people and for the journal. */
export interface Evidence {
  /** One sentence: "candidate answers 18.2 % of 231 requests with errors, limit 1 %". */
  readonly summary: string;
  /** The last minute. */
  readonly candidate: ArmEvidence;
  readonly stable: ArmEvidence;
  /** Absent in what was journaled before there was a comparison; so are the next three. */
  readonly metrics?: readonly MetricEvidence[];
  /** The combined e-value that the candidate is worse, and the threshold at which it is taken back. */
  readonly worse?: number;
  readonly threshold?: number;
  /** What the verdict rests on; null while there is none. */
  readonly rule?: Rule | null;
  /** UTC seconds since when the candidate is worse, as far as can be told; null when nothing speaks against it. */
  readonly since?: number | null;
}

export interface ArmEvidence {
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds; null without requests. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** One metric since the first exposure. */
export interface MetricEvidence {
  /** `errors`, `latency p99`, or the name that was declared. */
  readonly metric: string;
  /** E-value that the candidate is worse in this metric; by itself it takes the release back at `needed`. */
  readonly worse: number;
  readonly needed: number;
  /** E-value that it is not; it counts as shown from `shownAt` on. Null for a metric that no promotion waits for. */
  readonly notWorse: number | null;
  readonly shownAt: number;
  /** How many events come at once; each counts as one by so many. */
  readonly dispersion: number;
  readonly candidate: MetricTotals;
  readonly stable: MetricTotals;
}

export interface MetricTotals {
  readonly events: number;
  readonly total: number;
}

export interface Judgement {
  readonly verdict: Verdict;
  /** Stable breaks its own objective: a shared incident. Nobody is promoted; blamed only who is worse than stable. */
  readonly stableBroken: boolean;
}

/**
 * Compares candidate and stable over closed seconds. Pure: `observe` folds a second into the state, `judge` reads it. The state is a plain
 * value: it is carried over stages, and a look ahead can be thrown away. O(1) work and memory a second.
 */
export interface Judge<State> {
  /** @param past stable's minutes before, oldest first; seconds that follow must be later */
  start(past: readonly TrafficMinute[]): State;
  /** A second that is not later than the last one changes nothing. */
  observe(state: State, second: TrafficSecond): State;
  judge(state: State): Judgement;
  /** For people: costs more than `judge`. */
  explain(state: State): Evidence;
}
