import { isCommitted, isFinal, type DeploymentState } from '../state.ts';
import type { Effect, EffectKind } from '../effect.ts';
import type { DeploymentPlan } from '../plan.ts';
import { DISTURBANCES, OBSERVED_MS, type Scene } from './moves.ts';
import { mirrorOf, weightOf } from './world.ts';

const PHASES = [
  'pending', 'preparing', 'migrating', 'starting', 'checking', 'mirroring', 'stepping', 'switched', 'watching',
  'committing', 'retiring', 'reverting', 'stuck', 'succeeded', 'reverted', 'refused',
]; // prettier-ignore
const STAGES = ['working', 'scaling', 'routing', 'holding', 'recording', 'adopting', 'draining', 'warm', 'stopping'];
const REASONS = [
  'person',
  'undecided',
  'incident',
  'stable-weak',
  'router-unreachable',
  'runtime-unreachable',
  'metrics-missing',
];
const KINDS: readonly EffectKind[] = [
  'verify-artifact', 'check-policy', 'reserve', 'migrate', 'scale', 'smoke', 'route', 'unroute', 'adopt', 'drain', 'stop', 'commit',
]; // prettier-ignore
const VERDICTS = ['undecided', 'not-worse', 'worse'];
/** Backoff is at its longest after so many failures in a row. */
const LONGEST_BACKOFF = 6;

/**
 * Writes what counts of a scene into `out` and returns how many numbers that are: two scenes with the same numbers have the
 * same future. Left out is what no rule reads again:
 * - absolute time: every time is counted from now;
 * - numbers of effects and of leases: an answer is told by its effect, an outdated one is refused whatever its number;
 * - observed time beyond the window that it is compared with (those of the explored plans are one observation long, or a few);
 * - words, evidence, and, once the undo or the retirement has begun, everything about the way forward.
 */
export function writeKey(scene: Scene, out: Int32Array): number {
  const { state, world, budget } = scene;
  let size = 0;
  const put = (value: number): void => {
    out[size] = value;
    size += 1;
  };
  put(PHASES.indexOf(state.phase));
  if (isFinal(state.phase)) {
    put((state.leftover ? 1 : 0) | (state.keepOldSlot ? 2 : 0));
    for (const leg of world.legs)
      put(tenths(leg.weight) * 100 + leg.size * 4 + ['full', 'draining', 'stopped'].indexOf(leg.stableSlot));
    return size;
  }
  const forward = isGoingForward(state);
  const longest = longestWindow(state.plan);
  put(STAGES.indexOf(state.stage));
  put(flags(state, forward));
  put(Math.min(state.attempts, LONGEST_BACKOFF));
  if (forward) {
    put(state.group * 100 + state.step);
    put(['no', 'step', 'all'].indexOf(state.hurry));
    put(state.remaining ?? -1);
    put(state.holds.reduce((bits, held) => bits | (1 << REASONS.indexOf(held.reason)), 0));
  }
  state.legs.forEach((leg, index) => {
    const inForce = world.legs[index];
    put(tenths(leg.weight));
    put(tenths(leg.routing ?? -1));
    put(isCommitted(state) ? 0 : leg.wanted * 1_000 + leg.candidateReady);
    put(
      (leg.started ? 1 : 0) |
        (leg.exposed ? 2 : 0) |
        (leg.candidateFault === null ? 0 : 4) |
        (forward && leg.stableBroken ? 8 : 0) |
        (leg.mirror ? 16 : 0),
    );
    put(forward ? (leg.stableReady ?? -1) : 0);
    if (forward) {
      put(VERDICTS.indexOf(leg.verdict));
      put(observations(leg.observedMs, longest) * 16 + observations(leg.trafficMs, longest));
    }
    put(tenths(inForce?.weight ?? -1));
    put(
      (inForce?.size ?? 0) * 100 +
        ['full', 'draining', 'stopped'].indexOf(inForce?.stableSlot ?? 'full') * 10 +
        (inForce?.policy === true ? 1 : 0) +
        (inForce?.adopted === true ? 2 : 0) +
        (inForce?.candidateDrained === true ? 4 : 0) +
        (inForce?.mirror === true ? 1_000 : 0),
    );
  });
  const waiting = Object.values(state.effects).map(
    (effect) => code(effect, world.happened.has(effect.id)) * 2 + (world.lost.has(effect.id) ? 1 : 0),
  );
  put(waiting.length);
  for (const value of waiting.sort((a, b) => a - b)) put(value);
  const retries = state.retries.map(({ effect, at }) => [code(effect, world.happened.has(effect.id)), at] as const);
  for (const [what, at] of retries.sort(([a, atA], [b, atB]) => a - b || atA - atB)) {
    put(what);
    put(at - scene.now);
  }
  put(state.deadline - scene.now);
  put(state.stage === 'warm' && state.warmUntil !== null ? state.warmUntil - scene.now : -1);
  for (const write of world.flying) put(-10 - write.leg * 10_000 - aim(write.weight, write.mirror));
  put(-1);
  put(budget.any);
  let left = 0;
  for (const kind of DISTURBANCES) left = left * 4 + budget[kind];
  put(left);
  return size;
}

/** Numbers of a key are whole; the weights of the explored plans have at most one decimal. */
const tenths = (weight: number): number => Math.round(weight * 10);

/** Copies go with no weight at all. */
const aim = (weight: number, mirror: boolean): number => (mirror ? 1_001 : tenths(weight));

const observations = (ms: number, longest: number): number => Math.min(longest, Math.floor(ms / OBSERVED_MS));

/** In observations. */
function longestWindow({ groups }: DeploymentPlan): number {
  let longest = OBSERVED_MS;
  for (const { mirror, steps, watchMs } of groups)
    longest = Math.max(longest, watchMs, mirror?.holdMs ?? 0, ...steps.map(({ holdMs }) => holdMs));
  return longest / OBSERVED_MS;
}

const isGoingForward = (state: DeploymentState): boolean =>
  !isCommitted(state) && state.phase !== 'reverting' && state.phase !== 'stuck';

const flags = (state: DeploymentState, forward: boolean): number =>
  (state.supersededBy === null ? 0 : 1) |
  (state.keepOldSlot ? 2 : 0) |
  (state.leftover ? 4 : 0) |
  (forward && state.approvedBy !== null ? 8 : 0);

const code = (effect: Effect, happened: boolean): number => {
  const detail =
    effect.kind === 'scale'
      ? effect.count
      : effect.kind === 'drain' || effect.kind === 'stop'
        ? effect.slot === 'blue'
          ? 1
          : 2
        : aim(weightOf(effect), mirrorOf(effect));
  return ((KINDS.indexOf(effect.kind) * 8 + effect.leg) * 1_024 + detail) * 2 + (happened ? 1 : 0);
};
