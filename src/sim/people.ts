import type { Operation } from '../core/rollout/operation.ts';
import { planDeployment } from '../core/rollout/plan-deployment.ts';
import { isFinal, type DeploymentState } from '../core/rollout/state.ts';
import { dependencyOrder } from '../core/rollout/train.ts';
import type { Strategy } from '../core/spec/platform.ts';
import { DeploymentActiveError, FencedError, StoreUnavailableError } from '../errors.ts';
import type { ControlPlane } from './control-plane.ts';
import type { SimulatedPlatform } from './platform.ts';
import { Death } from './process.ts';
import type { Random } from './random.ts';
import type { Report } from './report.ts';
import type { Roughness } from './scenario.ts';
import type { Timeline } from './timeline.ts';

export interface PeopleParts {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly report: Report;
  readonly roughness: Roughness;
  readonly platform: SimulatedPlatform;
  /** Who answers people now; null while nobody does. */
  readonly serving: () => ControlPlane | null;
}

interface Wish {
  readonly environment: string;
  readonly services: readonly string[];
  readonly version: number;
  readonly order: 'together' | 'in-order';
  readonly kind: 'planned' | 'rollback';
  readonly strategy: Strategy['kind'] | null;
}

const ASK_AGAIN_MS = 2_000;
const MOST_ASKS = 10;

/** People who deploy, and people who meddle. */
export class People {
  readonly #parts: PeopleParts;
  readonly #asked = new Set<string>();

  constructor(parts: PeopleParts) {
    this.#parts = parts;
  }

  /** Plans what will be asked for until the horizon. */
  start(): void {
    const { random, roughness, platform, timeline } = this.#parts;
    const environments = platform.environments.map(({ name }) => name);
    const rounds = random.int(2, 9);
    for (let round = 0; round < rounds; round += 1) {
      const at = round === 0 ? random.int(100, 2_000) : random.int(5_000, roughness.horizonMs);
      const version = round === 0 ? 0 : random.int(0, 4);
      const asTrain = platform.services.length > 1 && random.chance(0.6);
      const chosen = asTrain || round === 0 ? platform.services : [random.any(platform.services) ?? ''];
      const wish: Omit<Wish, 'environment'> = {
        services: chosen,
        version,
        order: random.pick(['together', 'in-order']),
        kind: round > 0 && random.chance(0.25) ? 'rollback' : 'planned',
        strategy:
          random.chance(0.2) && !roughness.crashesOnly
            ? random.pick<Strategy['kind']>(['canary', 'blue-green', 'rolling'])
            : null,
      };
      // What goes to production goes to staging first, most of the time.
      environments.forEach((environment, index) => {
        if (index === 0 && environments.length > 1 && round > 0 && random.chance(0.15)) return;
        this.#later(at + index * random.int(20_000, 60_000), { ...wish, environment }, 0);
      });
    }
    this.#meddle(timeline.now);
  }

  /** Somebody who may approves what waits for it, mostly. */
  changed(state: DeploymentState): void {
    const { random, serving, timeline, report } = this.#parts;
    const { id } = state.plan;
    if (state.phase !== 'preparing' || state.approvedBy !== null || !state.plan.approval || this.#asked.has(id)) return;
    this.#asked.add(id);
    if (random.chance(0.2)) return;
    timeline.after(random.int(500, 15_000), () => {
      try {
        serving()?.running?.engine.operate(id, { kind: 'approve' }, 'grace');
        report.trace('people', () => `approve ${id}`);
      } catch (error) {
        this.#refused(error);
      }
    });
  }

  #later(delayMs: number, wish: Wish, asked: number): void {
    const { timeline, roughness } = this.#parts;
    if (timeline.now + delayMs >= roughness.horizonMs) return;
    timeline.after(delayMs, () => {
      if (!this.#ask(wish) && asked < MOST_ASKS) this.#later(ASK_AGAIN_MS, wish, asked + 1);
    });
  }

  /** False when nobody could be asked. */
  #ask(wish: Wish): boolean {
    const { report, serving, platform } = this.#parts;
    const plane = serving();
    const running = plane?.running ?? null;
    if (plane === null || running === null) return false;
    const { engine, ledger } = running;
    const declared = platform.environments.find(({ name }) => name === wish.environment);
    if (declared === undefined) return true;
    const ordered = dependencyOrder(wish.services, (service) => declared.services[service]?.dependencies ?? []);
    const wanted = ordered.flatMap((service) => {
      const { live, history } = ledger.record(wish.environment, service);
      const target = wish.kind === 'rollback' ? history[1] : platform.releases.get(service)?.[wish.version]?.release.id;
      const release = target === undefined ? undefined : platform.byId.get(target)?.release;
      const config = release?.config[wish.environment];
      if (release === undefined || config === undefined || live?.release === release.id) return [];
      return [{ release, service: config }];
    });
    if (wanted.length === 0) return true;
    try {
      const plan = planDeployment(
        {
          id: ledger.nextId,
          environment: wish.environment,
          kind: wish.kind,
          order: wish.order,
          requestedBy: 'ada',
          gates: declared.gates,
          wanted,
          strategy: wish.strategy,
        },
        (service) => ledger.record(wish.environment, service),
      );
      const what = wanted.map(({ release }) => release.id).join(', ');
      report.trace(
        'people',
        () => `${wish.kind} ${plan.id} of ${what} to ${wish.environment} (${wish.order}, ${plan.onNew})`,
      );
      report.counts.deployments += 1;
      engine.request(plan);
      return true;
    } catch (error) {
      return this.#refused(error);
    }
  }

  #meddle(from: number): void {
    const { random, roughness, timeline } = this.#parts;
    if (roughness.operationRate === 0) return;
    const waitMs = Math.round((-Math.log(1 - random.next()) * 60_000) / roughness.operationRate);
    if (from + waitMs > roughness.horizonMs) return;
    timeline.after(waitMs, () => {
      this.#operate();
      this.#meddle(timeline.now);
    });
  }

  #operate(): void {
    const { random, report, serving } = this.#parts;
    const operation = random.pick<Operation>([
      { kind: 'pause' },
      { kind: 'resume' },
      { kind: 'promote', to: 'next' },
      { kind: 'promote', to: 'all' },
      { kind: 'abort' },
      { kind: 'rollback' },
      { kind: 'retry' },
      { kind: 'approve' },
    ]);
    const running = serving()?.running ?? null;
    const state = running === null ? null : random.any(running.ledger.active());
    if (running === null || state === null || isFinal(state.phase)) return;
    try {
      const { refused } = running.engine.operate(state.plan.id, operation, 'grace');
      report.counts.operations += refused === null ? 1 : 0;
      report.trace(
        'people',
        () => `${operation.kind} ${state.plan.id}${refused === null ? '' : `: refused, ${refused.why}`}`,
      );
    } catch (error) {
      this.#refused(error);
    }
  }

  /** True when asking again would not help. */
  #refused(error: unknown): boolean {
    this.#parts.report.trace('people', () => `refused: ${String(error)}`);
    if (error instanceof Death || error instanceof FencedError || error instanceof StoreUnavailableError) return false;
    if (error instanceof DeploymentActiveError) return true;
    this.#parts.report.fail('the engine does not throw', String(error instanceof Error ? error.stack : error));
    return true;
  }
}
