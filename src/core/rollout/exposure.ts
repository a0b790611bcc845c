import type { DeploymentPlan, LegPlan } from './plan.ts';
import type { DeploymentState } from './state.ts';

/** Candidate instances that must be ready before a leg may have `weight` percent of the traffic (ROLLOUT section 6). */
export const instancesFor = (leg: LegPlan, weight: number): number =>
  weight === 0 ? 0 : Math.min(leg.instances, Math.max(leg.minCandidates, Math.ceil((weight / 100) * leg.instances)));

/**
 * What of `weight` percent `ready` candidates may have: all of it when they are as many as it needs, else their whole percents.
 * A weight may be a fraction (2.5 %): what is enough for it is never rounded away.
 */
export function carried(leg: LegPlan, ready: number, weight: number): number {
  if (ready >= Math.ceil((weight / 100) * leg.instances)) return weight;
  return Math.min(weight, Math.floor((100 * ready) / leg.instances));
}

/** Share of the traffic that is the aim for a leg in the state's phase, before looking at what is ready. */
export function intendedWeight(state: Omit<DeploymentState, 'legs'>, leg: number): number {
  const index = state.plan.groups.findIndex((group) => group.legs.includes(leg));
  const group = state.plan.groups[index];
  if (state.phase === 'committing') return 100;
  if (group === undefined || index > state.group) return 0;
  const share = index < state.group ? 100 - group.holdback : activeWeight(state, group);
  // Without a stable release there is nobody to share with.
  return share > 0 && state.plan.legs[leg]?.stable === null ? 100 : share;
}

function activeWeight(state: Omit<DeploymentState, 'legs'>, group: DeploymentPlan['groups'][number]): number {
  const stepWeight = (step: number): number => group.steps[step]?.weight ?? 0;
  switch (state.phase) {
    case 'stepping':
      return stepWeight(state.stage === 'scaling' ? state.step - 1 : state.step);
    case 'switched':
      return state.stage === 'scaling' ? stepWeight(group.steps.length - 1) : 100 - group.holdback;
    case 'watching':
      return 100 - group.holdback;
    default:
      return 0;
  }
}

/** Without a stable release there is nobody whose requests could be copied. */
export const isMirrored = (leg: LegPlan): boolean => (leg.mirror ?? null) !== null && leg.stable !== null;

/**
 * Shall copies of safe requests go to the candidate of a leg? While its group mirrors, and until the first weight is set: it ends the
 * copies, so that both are one router write.
 */
export function intendedMirror(state: Omit<DeploymentState, 'legs'>, leg: number): boolean {
  const group = state.plan.groups[state.group];
  const plan = state.plan.legs[leg];
  if (!group?.mirror || plan === undefined || !group.legs.includes(leg) || !isMirrored(plan)) return false;
  if (state.phase === 'mirroring') return state.stage !== 'scaling';
  const isBeforeFirstWeight = state.phase === 'stepping' ? state.step === 0 : group.steps.length === 0;
  return (state.phase === 'stepping' || state.phase === 'switched') && state.stage === 'scaling' && isBeforeFirstWeight;
}

/** First size of the candidate slot: what the copies or the first share of traffic need, all of it when there are no steps. */
export function firstInstances(plan: DeploymentPlan, groupIndex: number, leg: LegPlan): number {
  const group = plan.groups[groupIndex];
  const first = group?.steps[0];
  if (first === undefined || leg.stable === null) return leg.instances;
  return instancesFor(leg, Math.max(first.weight, leg.mirror?.share ?? 0));
}
