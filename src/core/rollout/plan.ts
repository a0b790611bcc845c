import type { ReleaseId } from '../release/release.ts';
import type { Slot } from '../slot.ts';
import type { PhaseDeadlines, Strategy } from '../spec/platform.ts';

/** `dep_` and a number that rises: deployments sort by age. */
export type DeploymentId = string;

/** Explicit, because the change fail rate and the rework rate need it (dora.dev). */
export type DeploymentKind = 'planned' | 'rework' | 'rollback';

/** Fixed when the deployment is requested, never changed afterwards; part of the first journal entry. */
export interface DeploymentPlan {
  readonly id: DeploymentId;
  readonly environment: string;
  readonly kind: DeploymentKind;
  /** `together`: one group of all legs. `in-order`: one group a leg, verifiers before signers. */
  readonly order: 'together' | 'in-order';
  readonly onNew: Strategy['onNew'];
  readonly requestedBy: string;
  /** Somebody has to approve before anything starts. */
  readonly approval: boolean;
  /** What a step does whose time passes without any traffic: wait for a person, or go on. */
  readonly idle: 'pause' | 'proceed';
  readonly legs: readonly LegPlan[];
  /** Passed one after another; a group goes through migrating … watching before the next starts. */
  readonly groups: readonly GroupPlan[];
  readonly deadlines: PhaseDeadlines;
}

export interface GroupPlan {
  /** Indices into `legs`. */
  readonly legs: readonly number[];
  /** Before the steps, while no user is on the candidate; null, and absent in plans made before there was any: not at all. */
  readonly mirror?: MirrorWindow | null;
  readonly steps: readonly StepPlan[];
  /** Percent that stays on stable from `switched` to the commit. */
  readonly holdback: number;
  readonly watchMs: number;
}

export interface MirrorWindow {
  /** Observed milliseconds without `worse` that end it. */
  readonly holdMs: number;
}

/** What is copied is the leg's own matter, also in a train: another service has not agreed to it. */
export interface LegMirror {
  /** Percent of the safe requests, copies of which go to the candidate. */
  readonly share: number;
  /** JSON answers are compared by their shape, too. */
  readonly shapes: boolean;
}

export interface StepPlan {
  /** Percent of the traffic for the candidate. */
  readonly weight: number;
  /** Observed milliseconds without `worse` that end the step. */
  readonly holdMs: number;
  /** Observed milliseconds before which `not-worse` does not end it; absent in plans made before there was any: 0. */
  readonly bakeMs?: number;
}

export interface LegPlan {
  readonly service: string;
  readonly strategy: Strategy['kind'];
  /** Null for the first deployment of a service: it goes straight to ready, then 100 %. */
  readonly stable: SlotRelease | null;
  readonly candidate: SlotRelease;
  /** Full size of a slot. */
  readonly instances: number;
  readonly minCandidates: number;
  /** Fewer ready stable instances than this pauses the deployment. */
  readonly minReady: number;
  readonly keepWarmMs: number;
  readonly migrations: boolean;
  readonly smoke: boolean;
  /** The candidate's slot already runs this release, ready: going back is one router write. */
  readonly warm: boolean;
  /** While its group mirrors; null, and absent in plans made before there was any: no request of this service is copied. */
  readonly mirror?: LegMirror | null;
}

export interface SlotRelease {
  readonly slot: Slot;
  readonly release: ReleaseId;
}
