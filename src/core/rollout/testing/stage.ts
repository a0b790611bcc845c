import type { Effect } from '../effect.ts';
import type { DeploymentEvent } from '../event.ts';
import type { Operation } from '../operation.ts';
import type { DeploymentPlan } from '../plan.ts';
import { isFinal, type DeploymentState } from '../state.ts';
import { nextTimer, step } from '../step.ts';

const CALM = { requests: 100, errors: 0, p50Ms: 4, p99Ms: 20 };

/** Answers of the world to an effect; null: no answer. Default: everything works at once. */
export type World = (effect: Effect, stage: Stage) => 'done' | 'refused' | 'unavailable' | null;

/**
 * Plays one deployment against an obliging world: effects are answered, instances get ready, time goes to the next timer
 * or to the next second of traffic. A test changes only what it is about.
 */
export class Stage {
  state: DeploymentState;
  now = 1_000_000;
  readonly log: Effect[] = [];
  readonly events: DeploymentEvent[] = [];
  readonly #world: World;
  readonly #queue: DeploymentEvent[] = [];
  ready = true;
  traffic = true;

  constructor(plan: DeploymentPlan, world: World = () => 'done') {
    this.#world = world;
    this.state = step(null, { type: 'requested', plan, epoch: 1 }, this.now).state;
    this.send({ type: 'admitted', legs: plan.legs });
  }

  send(event: DeploymentEvent): ReturnType<typeof step> {
    const result = step(this.state, event, this.now);
    this.events.push(event);
    this.state = result.state;
    for (const effect of result.effects) this.#answer(effect);
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.send(next);
    return result;
  }

  operate(operation: Operation): ReturnType<typeof step> {
    return this.send({ type: 'operation', operation, by: 'ada' });
  }

  #answer(effect: Effect): void {
    this.log.push(effect);
    if (effect.kind === 'alarm') return;
    const answer = this.#world(effect, this);
    if (answer === null) return;
    const { id } = effect;
    const epoch = this.state.epoch;
    if (answer !== 'done')
      this.#queue.push({ type: 'effect-failed', id, epoch, cause: answer, reason: `${effect.kind} ${answer}` });
    else if (effect.kind === 'commit') this.#queue.push({ type: 'committed', id, epoch });
    else this.#queue.push({ type: 'effect-done', id, epoch });
    if (answer === 'done' && effect.kind === 'scale' && this.ready)
      this.#queue.push(this.candidates(effect.leg, effect.count));
  }

  candidates(leg: number, ready: number, fault: string | null = null): DeploymentEvent {
    return { type: 'slot-observed', leg, arm: 'candidate', ready, fault, note: null };
  }

  analysis(leg: number, over: Partial<Extract<DeploymentEvent, { type: 'analysis' }>> = {}): DeploymentEvent {
    return {
      type: 'analysis',
      leg,
      observedMs: 1_000,
      trafficMs: this.traffic ? 1_000 : 0,
      verdict: 'undecided',
      stableBroken: false,
      evidence: { summary: 'as good as stable', candidate: CALM, stable: CALM },
      ...over,
    };
  }

  /** One second passes: closed seconds are observed, due timers fire. */
  second(over: Partial<Extract<DeploymentEvent, { type: 'analysis' }>> = {}): void {
    this.now += 1_000;
    this.state.legs.forEach((leg, index) => {
      if (leg.exposed) this.send(this.analysis(index, over));
    });
    const timer = nextTimer(this.state);
    if (timer !== null && timer <= this.now) this.send({ type: 'timer' });
  }

  /** Lets seconds pass until the condition holds; false if it never does. */
  until(condition: (state: DeploymentState) => boolean, seconds = 600): boolean {
    for (let passed = 0; passed < seconds && !condition(this.state); passed += 1) this.second();
    return condition(this.state);
  }

  toTheEnd(): DeploymentState {
    for (let turns = 0; turns < 5_000 && !isFinal(this.state.phase); turns += 1) this.second();
    return this.state;
  }

  /** Weights written to the router, in order. */
  weights(leg = 0): number[] {
    return this.log.flatMap((effect) => (effect.kind === 'route' && effect.leg === leg ? [effect.weight] : []));
  }
}
