import type { TrafficSecond } from '../traffic.ts';
import type { JudgeSettings } from './judge.ts';
import type { TrafficMinute } from './traffic-minute.ts';

// What is kept of an analysis: everything that its verdict was computed from, in the order in which it was seen.

export interface EvidenceHead {
  readonly deployment: string;
  /** Index of the leg in the plan. */
  readonly leg: number;
  readonly environment: string;
  readonly service: string;
  readonly stable: string | null;
  readonly candidate: string;
  readonly settings: JudgeSettings;
  /** Stable's minutes before the first exposure, oldest first, at most an hour. */
  readonly past: readonly TrafficMinute[];
}

export interface EvidenceSecond {
  /** With the samples of other metrics that were at hand. */
  readonly traffic: TrafficSecond;
  /** Percent for the candidate, in force at the end of the second as far as is known. */
  readonly weight: number;
  /** Of the deployment, and index of the step while it steps. */
  readonly phase: string;
  readonly step: number;
}

/** One leg's evidence, whole: seconds ascending. */
export interface EvidenceRecord extends EvidenceHead {
  readonly seconds: readonly EvidenceSecond[];
}
