import { activeLegs } from './draft.ts';
import { intendedWeight } from './exposure.ts';
import { neededMs } from './phases.ts';
import { isFinal, type DeploymentState, type Phase } from './state.ts';

/** What has been counted in the window and is not told to the deployment yet. */
export interface Seen {
  readonly observedMs: number;
  readonly trafficMs: number;
  /** UTC milliseconds up to which there are counts. */
  readonly upTo: number;
}

type SeenOf = (leg: number) => Seen | null;

/** A second is known to be over, with all its counts, about this long after it. */
const CLOSING_MS = 1_000;

const seconds = (ms: number): string => `${Math.max(0, Math.ceil(ms / 1_000))} s`;

/**
 * What an active deployment waits for, in one sentence; null when it waits for nothing or has ended.
 *
 * @param now UTC milliseconds
 * @param seen counts of a leg that the deployment has not been told, so that a countdown does not stand still
 */
export function waitsFor(state: DeploymentState, now: number, seen: SeenOf = () => null): string | null {
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
    case 'mirroring':
    case 'stepping':
    case 'switched':
    case 'watching':
      return exposed(state, seen);
    case 'committing':
      return 'the commit';
    case 'retiring':
      return state.stage === 'warm'
        ? 'the end of the time that the old slot stays warm'
        : state.plan.legs.every((leg) => leg.stable === null)
          ? 'the router'
          : `the old slot (${state.stage})`;
    case 'reverting':
    case 'stuck':
      return state.stage === 'routing' ? 'the router to give stable 100 %' : `the candidate (${state.stage})`;
    default:
      return null;
  }
}

/** UTC milliseconds at which the wait is over if all goes well, or else given up; null when the deployment has ended. */
export function waitsUntil(state: DeploymentState, now: number, seen: SeenOf = () => null): number | null {
  if (isFinal(state.phase)) return null;
  if (state.stage === 'warm') return state.warmUntil;
  if (state.stage !== 'holding' || state.holds.length > 0 || state.retries.length > 0) return state.deadline;
  const left = windowLeft(state, seen);
  if (left === 0) return state.deadline;
  const upTo = activeLegs(state).map((index) => seen(index)?.upTo ?? now);
  return Math.max(now, Math.max(...upTo) + left + CLOSING_MS);
}

/** Milliseconds that the active group has still to be observed. */
const windowLeft = (state: DeploymentState, seen: SeenOf): number =>
  Math.max(
    0,
    ...activeLegs(state)
      .filter((index) => state.phase !== 'mirroring' || state.legs[index]?.mirror === true)
      .map((index) => neededMs(state, index) - (state.legs[index]?.observedMs ?? 0) - (seen(index)?.observedMs ?? 0)),
  );

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

const WINDOWS: Readonly<Partial<Record<Phase, string>>> = {
  mirroring: 'the copies of requests',
  watching: 'the watch window',
};

function exposed(state: DeploymentState, seen: SeenOf): string {
  if (state.stage === 'scaling') return instances(state) || 'instances';
  if (state.stage === 'routing') return 'the router';
  const short = state.legs.findIndex((leg, index) => leg.exposed && leg.weight < intendedWeight(state, index));
  if (short !== -1) return instances(state) || 'the router';
  const window = WINDOWS[state.phase] ?? 'this step';
  const left = windowLeft(state, seen);
  // Observed for long enough, and still not over: nobody has used the candidate, or too little.
  if (left === 0 && state.plan.idle === 'pause')
    return state.phase === 'mirroring'
      ? 'requests that may be copied: too few so far to end the copies'
      : `traffic on the candidate: too little so far to end ${window}`;
  return `${window} to pass without a bad verdict`;
}
