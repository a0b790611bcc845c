import type { DeploymentPlan } from '../plan.ts';
import { isFinal, type FinalPhase, type Phase } from '../state.ts';
import { brokenBy, brokenByStale, brokenTimer } from './invariants.ts';
import { movesOf, type Budget, type Move, type Scene } from './moves.ts';
import { beginScene, describeMove, describeScene, effectText, play, type Rollout, type Transition } from './play.ts';
import { writeKey } from './scene-key.ts';
import { NumberList, StateTable } from './state-table.ts';

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  /** Longest of the shortest ways to a state. */
  readonly depth: number;
  /** How many states are in each phase. */
  readonly phases: Readonly<Partial<Record<Phase, number>>>;
  /** False when it was stopped before every reachable state had been seen. */
  readonly complete: boolean;
  readonly violation: Violation | null;
}

export interface Violation {
  readonly text: string;
  /** The shortest way there: one line an event, with where the deployment stands after it. */
  readonly trace: readonly string[];
}

export interface ExploreOptions {
  readonly rollout: Rollout;
  readonly plan: DeploymentPlan;
  readonly budget: Budget;
  /** Stops there, with `complete: false`. */
  readonly maxStates?: number;
}

type End = FinalPhase | 'stuck';

interface Waiting {
  readonly scene: Scene;
  readonly number: number;
  /** Ids that have been answered on the way here, newest last. */
  readonly answered: readonly string[];
}

/** So many earlier answers are repeated at each state; the property test repeats all of them. */
const REPEATED_ANSWERS = 3;
const PROGRESS_EVERY = 4_096;

/**
 * Every state that a deployment can reach in the model world, breadth first. At each transition the invariants are checked, at
 * each state its timer and that outdated events change nothing; at the end that each state comes to an end: in an obliging
 * world, and (or it is `stuck`) in one that never answers again.
 */
export function explore(options: ExploreOptions): Exploration {
  const exploring = new Explorer(options).run();
  for (let turn = exploring.next(); ; turn = exploring.next()) if (turn.done === true) return turn.value;
}

/** The same in turns, so that it can be shown and stopped: yields the number of states seen so far, and returns the result. */
export const exploring = (options: ExploreOptions): Generator<number, Exploration, void> => new Explorer(options).run();

class Explorer {
  readonly #options: ExploreOptions;
  readonly #table = new StateTable();
  readonly #key = new Int32Array(512);
  readonly #parent = new NumberList();
  readonly #ordinal = new NumberList();
  readonly #depth = new NumberList();
  /** Successor in an obliging world, and in one in which only time passes. */
  readonly #obliging = new NumberList();
  readonly #dead = new NumberList();
  readonly #ends = new Map<number, End>();
  readonly #phases: Partial<Record<Phase, number>> = {};
  #transitions = 0;

  constructor(options: ExploreOptions) {
    this.#options = options;
  }

  *run(): Generator<number, Exploration, void> {
    const { rollout, plan, budget, maxStates = Infinity } = this.#options;
    const root = beginScene(rollout, plan, budget);
    let layer: Waiting[] = [{ scene: root, number: this.#enter(root, -1, -1), answered: [] }];
    let seen = 0;
    while (layer.length > 0) {
      const next: Waiting[] = [];
      for (const waiting of layer) {
        const broken = this.#expand(waiting, next);
        if (broken !== null) return this.#result(false, broken);
        seen += 1;
        if (seen % PROGRESS_EVERY === 0) yield this.#table.size;
        if (this.#table.size > maxStates) return this.#result(false, null);
      }
      layer = next;
    }
    return this.#result(true, this.#brokenEnds());
  }

  #expand(waiting: Waiting, next: Waiting[]): Violation | null {
    const { rollout } = this.#options;
    const { scene, number, answered } = waiting;
    // What has failed for lack of an answer and is asked again is the same request: a late answer to it is an answer.
    const recent = answered.filter((id) => !Object.hasOwn(scene.state.effects, id)).slice(-REPEATED_ANSWERS);
    const broken = brokenTimer(rollout, scene) ?? brokenByStale(rollout, scene, recent);
    if (broken !== null) return this.#violation(number, null, broken);
    const moves = movesOf(scene, rollout.nextTimer(scene.state));
    for (const [ordinal, move] of moves.entries()) {
      const transition = this.#play(scene, move);
      if (typeof transition === 'string') return this.#violation(number, move, transition);
      this.#transitions += 1;
      const text = brokenBy(transition);
      if (text !== null) return this.#violation(number, move, text);
      const before = this.#table.size;
      const to = this.#enter(transition.after, number, ordinal);
      if (to === before) {
        const answer = move.do === 'answer' ? [...answered, move.effect.id] : answered;
        next.push({ scene: transition.after, number: to, answered: answer });
      }
      if (isObliging(move)) this.#noteEnds(number, to, move.do === 'time');
    }
    return null;
  }

  #play(scene: Scene, move: Move): Transition | string {
    try {
      return play(this.#options.rollout, scene, move);
    } catch (error) {
      return `step throws ${String(error)}`;
    }
  }

  #enter(scene: Scene, parent: number, ordinal: number): number {
    const before = this.#table.size;
    const number = this.#numberOf(scene);
    if (number !== before) return number;
    this.#parent.set(number, parent);
    this.#ordinal.set(number, ordinal);
    this.#depth.set(number, parent === -1 ? 0 : this.#depth.at(parent) + 1);
    this.#obliging.set(number, -1);
    this.#dead.set(number, -1);
    const { phase } = scene.state;
    this.#phases[phase] = (this.#phases[phase] ?? 0) + 1;
    if (isFinal(phase) || phase === 'stuck') this.#ends.set(number, phase);
    return number;
  }

  #numberOf(scene: Scene): number {
    return this.#table.number(this.#key, writeKey(scene, this.#key));
  }

  /** The first thing that an obliging world does that changes anything; and what happens when only time passes. */
  #noteEnds(from: number, to: number, isTime: boolean): void {
    if (to !== from && this.#obliging.at(from) === -1) this.#obliging.set(from, to);
    if (isTime) this.#dead.set(from, to);
  }

  /** Invariant 4 over the whole graph: following either successor never goes round in circles, but for `stuck`. */
  #brokenEnds(): Violation | null {
    return (
      this.#brokenSuccess() ??
      this.#circle(
        this.#obliging,
        (end) => end !== undefined && end !== 'stuck',
        '4 every deployment ends: not even in an obliging world',
      ) ??
      this.#circle(this.#dead, (end) => end !== undefined, '4 every deployment ends: not when nothing answers any more')
    );
  }

  /** A world that only obliges sees the deployment succeed (or, where a person has to approve, wait for it in vain). */
  #brokenSuccess(): Violation | null {
    const { rollout, plan, budget } = this.#options;
    let scene = beginScene(rollout, plan, budget);
    const way: number[] = [];
    for (let at = 0; way.length < this.#table.size && this.#obliging.at(at) !== -1; at = this.#obliging.at(at)) {
      const to = this.#obliging.at(at);
      const begins = scene;
      const moves = movesOf(begins, rollout.nextTimer(begins.state));
      const leads = (move: Move): boolean =>
        isObliging(move) && this.#numberOf(play(rollout, begins, move).after) === to;
      const ordinal = moves.findIndex(leads);
      const move = moves[ordinal];
      if (move === undefined) throw new RangeError('the same moves lead elsewhere: step is not deterministic');
      scene = play(rollout, scene, move).after;
      way.push(ordinal);
    }
    const expected = plan.approval ? 'refused' : 'succeeded';
    const { phase } = scene.state;
    if (phase === expected) return null;
    const text = `an undisturbed deployment ends ${phase}, not ${expected}`;
    return { text, trace: retrace(this.#options, way, null) };
  }

  #circle(successors: NumberList, isEnd: (end: End | undefined) => boolean, text: string): Violation | null {
    const DONE = -2;
    const visited = new NumberList();
    for (let start = 0; start < this.#table.size; start += 1) visited.set(start, -1);
    for (let start = 0; start < this.#table.size; start += 1) {
      const path: number[] = [];
      let at = start;
      while (visited.at(at) !== DONE && !isEnd(this.#ends.get(at))) {
        if (at === -1 || visited.at(at) === start) return this.#violation(path.at(-1) ?? start, null, text);
        visited.set(at, start);
        path.push(at);
        at = successors.at(at);
        if (at === -1) return this.#violation(path.at(-1) ?? start, null, text);
      }
      for (const passed of path) visited.set(passed, DONE);
    }
    return null;
  }

  #violation(number: number, move: Move | null, text: string): Violation {
    const ordinals: number[] = [];
    for (let at = number; this.#parent.at(at) !== -1; at = this.#parent.at(at)) ordinals.unshift(this.#ordinal.at(at));
    return { text, trace: retrace(this.#options, ordinals, move) };
  }

  #result(complete: boolean, violation: Violation | null): Exploration {
    return {
      states: this.#table.size,
      transitions: this.#transitions,
      depth: this.#depth.at(this.#depth.size - 1),
      phases: this.#phases,
      complete: complete && violation === null,
      violation,
    };
  }
}

/** What a world that means well does; verdicts that go to and fro would be no progress. */
const isObliging = (move: Move): boolean =>
  move.costs === null && !(move.do === 'event' && move.event.type === 'analysis' && move.event.verdict === 'undecided');

/** Plays the way to a state again and writes it down. */
function retrace(
  { rollout, plan, budget }: ExploreOptions,
  ordinals: readonly number[],
  last: Move | null,
): readonly string[] {
  const lines: string[] = [];
  let scene = beginScene(rollout, plan, budget);
  const moves = [...ordinals.map((ordinal) => ordinal as number | Move), ...(last === null ? [] : [last])];
  for (const [index, which] of moves.entries()) {
    const move = typeof which === 'number' ? movesOf(scene, rollout.nextTimer(scene.state))[which] : which;
    if (move === undefined) throw new RangeError('the trace does not lead there again: step is not deterministic');
    let asks: string;
    try {
      const { result, after } = play(rollout, scene, move);
      asks = (result?.effects ?? []).map(effectText).join(', ');
      scene = after;
    } catch (error) {
      asks = String(error);
    }
    const line = `${String(index + 1).padStart(3)}  ${describeMove(move).padEnd(44)} ${describeScene(scene)}`;
    lines.push(asks === '' ? line : `${line}\n${' '.repeat(9)}asks for ${asks}`);
  }
  return lines;
}
