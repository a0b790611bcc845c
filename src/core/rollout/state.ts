import type { Evidence, Verdict } from '../analysis/verdict.ts';
import type { Effect, EffectId } from './effect.ts';
import type { Condition } from './event.ts';
import type { DeploymentId, DeploymentPlan } from './plan.ts';

export type ActivePhase =
  | 'pending'
  | 'preparing'
  | 'migrating'
  | 'starting'
  | 'checking'
  | 'mirroring'
  | 'stepping'
  | 'switched'
  | 'watching'
  | 'committing'
  | 'retiring'
  | 'reverting'
  | 'stuck';

export type FinalPhase = 'succeeded' | 'reverted' | 'refused';
export type Phase = ActivePhase | FinalPhase;

/** What a phase is busy with; one word a stage, shown to people. */
export type Stage =
  | 'working'
  | 'scaling'
  | 'routing'
  | 'holding'
  | 'recording'
  | 'adopting'
  | 'draining'
  | 'warm'
  | 'stopping';

export type HoldReason = 'person' | 'undecided' | 'incident' | 'stable-weak' | Condition;

export interface Hold {
  readonly reason: HoldReason;
  readonly since: number;
  readonly text: string;
}

export type EndCode =
  | 'worse'
  | 'not-ready'
  | 'crashed'
  | 'smoke-failed'
  | 'migration-failed'
  | 'gate-refused'
  | 'aborted'
  | 'superseded'
  | 'deadline'
  | 'failed';

/** Why a deployment was refused or taken back. */
export interface EndReason {
  readonly code: EndCode;
  /** Index of the leg at fault, if one is. */
  readonly leg: number | null;
  readonly text: string;
}

export interface Retry {
  readonly effect: Effect;
  /** UTC milliseconds. */
  readonly at: number;
  readonly reason: string;
}

export interface DeploymentState {
  readonly plan: DeploymentPlan;
  /** Fencing token of the control plane that drives it; answers to an older one are not believed. */
  readonly epoch: number;
  readonly phase: Phase;
  readonly stage: Stage;
  /** Index of the active group. */
  readonly group: number;
  /** Index of the active step while `stepping`. */
  readonly step: number;
  /** UTC milliseconds at which the phase began. */
  readonly since: number;
  /** UTC milliseconds at which the phase is given up; every active phase has one. */
  readonly deadline: number;
  /** Milliseconds that the phase had left when it was held. */
  readonly remaining: number | null;
  readonly holds: readonly Hold[];
  /** Requested and not yet answered. */
  readonly effects: Readonly<Record<EffectId, Effect>>;
  /** Failed because the other side could not be asked; to be requested again when due. */
  readonly retries: readonly Retry[];
  /** Failures in a row for lack of an answer; sets the backoff. */
  readonly attempts: number;
  /** Number of the next effect. */
  readonly next: number;
  readonly legs: readonly LegState[];
  readonly approvedBy: string | null;
  /** Set by `promote`: waiting is skipped, readiness is not. */
  readonly hurry: 'no' | 'step' | 'all';
  /** Until then the old slot stays warm (stage `warm`). */
  readonly warmUntil: number | null;
  readonly reason: EndReason | null;
  readonly supersededBy: DeploymentId | null;
  readonly keepOldSlot: boolean;
  /** UTC milliseconds of the commit point; null before it. */
  readonly committedAt: number | null;
  readonly endedAt: number | null;
  /** Instances that could not be stopped by the deadline; the reconciler goes on with them. */
  readonly leftover: boolean;
}

export interface LegState {
  /** Percent for the candidate that the router has acknowledged. */
  readonly weight: number;
  /** Percent requested and not acknowledged yet. */
  readonly routing: number | null;
  /**
   * The route that was requested last sends copies of safe requests to the candidate; acknowledged once `routing` is null. Never together
   * with a weight. Not in the ends of deployments that were journaled before there was any.
   */
  readonly mirror: boolean;
  /** Candidate instances asked for. */
  readonly wanted: number;
  readonly candidateReady: number;
  readonly candidateNote: string | null;
  readonly candidateFault: string | null;
  readonly stableReady: number | null;
  /** Observed and with-traffic milliseconds since the step or window began. */
  readonly observedMs: number;
  readonly trafficMs: number;
  readonly verdict: Verdict;
  readonly evidence: Evidence | null;
  /** Something of this leg may be in the world: instances, routes. */
  readonly started: boolean;
  /** A route with a share or with copies for the candidate has been requested at least once, so it may be in force: the undo has one to write. */
  readonly exposed: boolean;
  /** Stable breaks its own objective. */
  readonly stableBroken: boolean;
}

export const isFinal = (phase: Phase): phase is FinalPhase =>
  phase === 'succeeded' || phase === 'reverted' || phase === 'refused';

/** Before it every failing path ends with stable at 100 %; after it going back is a new deployment. */
export const isCommitted = (state: DeploymentState): boolean => state.committedAt !== null;
