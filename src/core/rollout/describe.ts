import { activeLegs } from './draft.ts';
import { intendedWeight } from './exposure.ts';
import { windowMs } from './phases.ts';
import { isFinal, type DeploymentState } from './state.ts';

const seconds = (ms: number): string => `${Math.max(0, Math.ceil(ms / 1_000))} s`;

/** What an active deployment waits for, in one sentence; null when it waits for nothing or has ended. */
export function waitsFor(state: DeploymentState, now: number): string | null {
  const [retry] = state.retries;
  if (retry !== undefined) return `another try in ${seconds(retry.at - now)}: ${retry.reason}`;
  const [held] = state.holds;
  if (held !== undefined) return held.reason === 'person' ? `\`veza resume\` (${held.text})` : held.text;
  switch (state.phase) {
    case 'pending':
      return 'an earlier deployment of the same service';
    case 'preparing':
      return state.plan.approval && state.approvedBy === null
        ? 'approval by a person: `veza approve`'
        : 'artifact, policy and room';
    case 'migrating':
      return 'migrations';
    case 'checking':
      return 'smoke tests';
    case 'starting':
      return instances(state) || 'the instances to be accepted';
    case 'stepping':
    case 'switched':
    case 'watching':
      return exposed(state);
    case 'committing':
      return 'the commit';
    case 'retiring':
      return state.stage === 'warm'
        ? 'the end of the time that the old slot stays warm'
        : `the old slot (${state.stage})`;
    case 'reverting':
    case 'stuck':
      return state.stage === 'routing' ? 'the router to give stable 100 %' : `the candidate (${state.stage})`;
    default:
      return null;
  }
}

/** UTC milliseconds at which the wait is over if all goes well, or else given up; null when the deployment has ended. */
export function waitsUntil(state: DeploymentState, now: number): number | null {
  if (isFinal(state.phase)) return null;
  if (state.stage === 'warm') return state.warmUntil;
  const isWindow = state.stage === 'holding' && state.holds.length === 0 && state.retries.length === 0;
  return isWindow ? now + windowLeft(state) : state.deadline;
}

/** Milliseconds that the active group has still to be observed. */
const windowLeft = (state: DeploymentState): number =>
  Math.max(0, ...activeLegs(state).map((index) => windowMs(state) - (state.legs[index]?.observedMs ?? 0)));

function instances(state: DeploymentState): string {
  return activeLegs(state)
    .flatMap((index) => {
      const leg = state.legs[index];
      const plan = state.plan.legs[index];
      if (leg === undefined || plan === undefined || leg.candidateReady >= leg.wanted) return [];
      const note = leg.candidateNote === null ? '' : ` (${leg.candidateNote})`;
      return [`${plan.service}: ${leg.candidateReady} of ${leg.wanted} instances ready${note}`];
    })
    .join('; ');
}

function exposed(state: DeploymentState): string {
  if (state.stage === 'scaling') return instances(state) || 'instances';
  if (state.stage === 'routing') return 'the router';
  const short = state.legs.findIndex((leg, index) => leg.exposed && leg.weight < intendedWeight(state, index));
  if (short !== -1) return instances(state) || 'the router';
  const left = windowLeft(state);
  return state.phase === 'watching'
    ? `${seconds(left)} more of the watch window`
    : `${seconds(left)} more on this step without a bad verdict`;
}
