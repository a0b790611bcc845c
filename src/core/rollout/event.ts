import type { Evidence, Verdict } from '../analysis/verdict.ts';
import type { EffectId } from './effect.ts';
import type { Operation } from './operation.ts';
import type { DeploymentId, DeploymentPlan, LegPlan } from './plan.ts';

/** Everything that can happen to a deployment. The state is the fold of its events. */
export type DeploymentEvent =
  | { readonly type: 'requested'; readonly plan: DeploymentPlan; readonly epoch: number }
  /** No other deployment of these services is active any more: it may begin. `legs`: the plan's, for what runs now. */
  | { readonly type: 'admitted'; readonly legs: readonly LegPlan[] }
  | { readonly type: 'effect-done'; readonly id: EffectId; readonly epoch: number }
  /** `refused`: the world said no. `unavailable`: it could not be asked; it is tried again until the deadline. */
  | {
      readonly type: 'effect-failed';
      readonly id: EffectId;
      readonly epoch: number;
      readonly cause: 'refused' | 'unavailable';
      readonly reason: string;
    }
  /** The commit point: the commit effect has happened, and this entry is what happened. */
  | { readonly type: 'committed'; readonly id: EffectId; readonly epoch: number }
  /** How a slot stands; sent on every change while the deployment is active. */
  | {
      readonly type: 'slot-observed';
      readonly leg: number;
      readonly arm: 'stable' | 'candidate';
      readonly ready: number;
      /** Set when the slot cannot get ready by itself (crash loop), in the instance's own words. */
      readonly fault: string | null;
      /** Why it is not (all) ready yet, in words; shown while waiting and used if the deadline passes. */
      readonly note: string | null;
    }
  | {
      readonly type: 'analysis';
      readonly leg: number;
      /** Milliseconds observed since the last such event: closed seconds for which there are counts. */
      readonly observedMs: number;
      /** Of those, milliseconds in which the candidate answered anything. */
      readonly trafficMs: number;
      readonly verdict: Verdict;
      /** Stable breaks its own objective: a shared incident, nobody is blamed and nobody promoted. */
      readonly stableBroken: boolean;
      readonly evidence: Evidence;
    }
  | { readonly type: 'condition'; readonly condition: Condition; readonly holds: boolean; readonly reason: string }
  | { readonly type: 'timer' }
  | { readonly type: 'operation'; readonly operation: Operation; readonly by: string }
  /** A newer release wants the service. `keepOldSlot`: the newcomer takes over the old slot, still warm. */
  | { readonly type: 'superseded'; readonly by: DeploymentId; readonly keepOldSlot: boolean }
  /** Another control plane, or this one after a restart, goes on with a higher fencing token. */
  | { readonly type: 'took-over'; readonly epoch: number };

/** Outside conditions under which a deployment makes no step. */
export type Condition = 'router-unreachable' | 'runtime-unreachable' | 'metrics-missing';
