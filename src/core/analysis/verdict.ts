import type { TrafficSecond } from '../traffic.ts';

export type Verdict = 'worse' | 'not-worse' | 'undecided';

/** What led to a verdict, for people and for the journal. */
export interface Evidence {
  /** One sentence: "candidate answers 18.2 % of 231 requests with errors, limit 1 %". */
  readonly summary: string;
  readonly candidate: ArmEvidence;
  readonly stable: ArmEvidence;
}

export interface ArmEvidence {
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds; null without requests. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** State of a judge after some seconds; a plain value, so that it can be carried over stages and kept. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly stableBroken: boolean;
  readonly evidence: Evidence;
}

/**
 * Compares candidate and stable over closed seconds. Pure: `observe` folds a second into the state, `judge` reads it.
 * Sequential tests and hard limits are both judges; an implementation costs O(1) a second.
 */
export interface Judge<State> {
  start(): State;
  observe(state: State, second: TrafficSecond): State;
  judge(state: State): Judgement;
}
