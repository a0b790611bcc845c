import type { DeploymentEvent } from '../event.ts';
import type { DeploymentPlan } from '../plan.ts';
import { isFinal, type DeploymentState } from '../state.ts';
import { brokenBy, brokenByStale, brokenTimer } from './invariants.ts';
import { DISTURBANCES, movesOf, type Budget, type Disturbance, type Move, type Scene } from './moves.ts';
import { beginScene, describeMove, describeScene, effectText, play, type Rollout } from './play.ts';

/**
 * What happens next in a random run. `oblige`: what a world that means well does next. `pick`: one of everything that can
 * happen, by number. `send`: any event at all, sense or nonsense, `skewMs` milliseconds off the clock.
 */
export type Choice =
  | { readonly do: 'oblige' }
  | { readonly do: 'pick'; readonly which: number }
  | { readonly do: 'send'; readonly event: DeploymentEvent; readonly skewMs: number };

export interface RandomRun {
  /** What is broken, in words; null when every invariant has held. */
  readonly broken: string | null;
  readonly trace: readonly string[];
  readonly end: DeploymentState;
}

const PLENTY: Budget = Object.fromEntries([...DISTURBANCES, 'any'].map((kind) => [kind, 1e9])) as Record<
  Disturbance | 'any',
  number
>;

interface Entry {
  readonly event: DeploymentEvent;
  readonly now: number;
}

/**
 * Plays choices one after another, with every invariant checked at every step: those of the exploration, and those that are too
 * dear for it. All earlier answers change nothing; the arguments of `step` are never changed; the same arguments give the same
 * result; and the fold of the events that changed something, read back from JSON as from the journal, is the state itself.
 */
export function randomRun(rollout: Rollout, plan: DeploymentPlan, choices: readonly Choice[]): RandomRun {
  const begun = beginScene(rollout, plan, PLENTY);
  const trace: string[] = [];
  const answered = new Set<string>();
  const journal: Entry[] = [{ event: { type: 'requested', plan, epoch: 1 }, now: begun.now }];
  let scene = begun;
  const ends = (broken: string | null): RandomRun => ({ broken, trace, end: scene.state });
  for (const choice of choices) {
    const stale = [...answered].filter((id) => !Object.hasOwn(scene.state.effects, id));
    const brokenState = brokenTimer(rollout, scene) ?? brokenByStale(rollout, scene, stale);
    if (brokenState !== null) return ends(brokenState);
    const move = moveFor(rollout, scene, choice);
    if (move === null) continue;
    const at = choice.do === 'send' ? { ...scene, now: Math.max(0, scene.now + choice.skewMs) } : scene;
    freeze(at.state);
    let transition: ReturnType<typeof play>;
    try {
      transition = play(rollout, at, move);
    } catch (error) {
      trace.push(`${describeMove(move)} in ${describeScene(scene)}`);
      return ends(`step throws ${String(error)}`);
    }
    const { event, result, after } = transition;
    const asks = (result?.effects ?? []).map(effectText).join(', ');
    trace.push(`${describeMove(move)} => ${describeScene(after)}${asks === '' ? '' : ` asks for ${asks}`}`);
    const broken = brokenBy(transition) ?? (event === null ? null : notTheSame(rollout, at, event, after));
    if (broken !== null) return ends(broken);
    if (event !== null && result?.changed === true) journal.push({ event, now: after.now });
    if (move.do === 'answer') answered.add(move.effect.id);
    scene = after;
  }
  return ends(brokenFold(rollout, journal, scene.state));
}

/** What is left to a world that means well, until the deployment has ended; null when it does not end within `most` moves. */
export function playOut(rollout: Rollout, plan: DeploymentPlan, most = 2_000): DeploymentState | null {
  let scene = beginScene(rollout, plan, PLENTY);
  for (let moves = 0; moves < most && !isFinal(scene.state.phase); moves += 1) {
    const move = oblige(rollout, scene);
    if (move === null) return null;
    scene = play(rollout, scene, move).after;
  }
  return isFinal(scene.state.phase) ? scene.state : null;
}

function moveFor(rollout: Rollout, scene: Scene, choice: Choice): Move | null {
  if (choice.do === 'send') return { do: 'event', event: choice.event, costs: 'failure' };
  if (choice.do === 'oblige') return oblige(rollout, scene);
  const moves = movesOf(scene, rollout.nextTimer(scene.state));
  return moves[choice.which % Math.max(1, moves.length)] ?? null;
}

/** The first thing a world that means well can do that changes more than its own memory. */
function oblige(rollout: Rollout, scene: Scene): Move | null {
  const moves = movesOf(scene, rollout.nextTimer(scene.state)).filter((move) => move.costs === null);
  const useful = moves.find((move) => {
    if (move.do !== 'event' || move.event.type !== 'analysis') return true;
    const leg = scene.state.legs[move.event.leg];
    return leg !== undefined && !isSeen(scene.state, leg);
  });
  return useful ?? null;
}

const isSeen = (state: DeploymentState, leg: DeploymentState['legs'][number]): boolean => {
  const group = state.plan.groups[state.group];
  const step = group?.steps[state.step]?.holdMs;
  const windows: Readonly<Record<string, number | undefined>> = {
    mirroring: group?.mirror?.holdMs,
    watching: group?.watchMs,
  };
  return !leg.stableBroken && leg.trafficMs >= (windows[state.phase] ?? step ?? 0);
};

function notTheSame(rollout: Rollout, before: Scene, event: DeploymentEvent, after: Scene): string | null {
  const again = rollout.step(before.state, event, after.now);
  return JSON.stringify(again.state) === JSON.stringify(after.state) ? null : 'the same arguments give another result';
}

function brokenFold(rollout: Rollout, journal: readonly Entry[], state: DeploymentState): string | null {
  const read = JSON.parse(JSON.stringify(journal)) as readonly Entry[];
  const folded = read.reduce<DeploymentState | null>(
    (before, { event, now }) => rollout.step(before, event, now).state,
    null,
  );
  const [live, replayed] = [JSON.stringify(state), JSON.stringify(folded)];
  if (live === replayed) return null;
  const at = Array.from(live, (letter, index) => letter === replayed[index]).indexOf(false);
  return `the fold of the journal is another state: ${live.slice(at - 40, at + 40)} became ${replayed.slice(at - 40, at + 40)}`;
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}
