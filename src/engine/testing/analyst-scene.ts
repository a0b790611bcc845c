import { beginState } from '../../core/rollout/begin.ts';
import type { DeploymentEvent } from '../../core/rollout/event.ts';
import type { DeploymentState } from '../../core/rollout/state.ts';
import { testLeg, testPlan } from '../../core/rollout/testing/plans.ts';
import type { Strategy } from '../../core/spec/platform.ts';
import type { ArmSecond, CurrentSecond, TrafficSecond } from '../../core/traffic.ts';
import type { MetricSourceDriver } from '../../drivers/metric/metric.ts';
import type { Router } from '../../drivers/router/router.ts';
import type { EvidenceStore } from '../../store/evidence-store.ts';
import { MemoryEvidenceStore } from '../../store/memory-evidence-store.ts';
import { Analyst } from '../analyst.ts';
import { EvidenceBook } from '../evidence-book.ts';
import { TrafficHistory } from '../traffic-history.ts';

export const armSecond = (requests: number, serverErrors = 0): ArmSecond => ({
  requests,
  serverErrors,
  gatewayErrors: 0,
  clientErrors: 0,
  latency: requests === 0 ? [] : [[100, requests]],
});

export const trafficSecond = (second: number, stable: ArmSecond, candidate: ArmSecond): TrafficSecond => ({
  service: 'api',
  second,
  arms: { stable, candidate },
});

export type Told = Extract<DeploymentEvent, { type: 'analysis' | 'condition' }>;

export interface SceneOptions {
  readonly startMs: number;
  /** What the router counts in a second. */
  readonly traffic: (second: number) => TrafficSecond;
  readonly canSayCurrent?: boolean;
  /** Length of the first step, milliseconds. */
  readonly holdMs?: number;
  readonly analysis?: Partial<Strategy['analysis']>;
  readonly sources?: ReadonlyMap<string, MetricSourceDriver>;
  readonly store?: EvidenceStore;
  readonly state?: Partial<DeploymentState>;
}

/** A canary on its first step, a router, and a clock that is moved by hand. Control planes come and go. */
export class AnalystScene {
  readonly told: { readonly at: number; readonly event: Told }[] = [];
  readonly warnings: string[] = [];
  readonly troubles: (string | null)[] = [];
  readonly store: EvidenceStore;
  readonly #options: SceneOptions;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  now: number;
  routerIsGone = false;
  state: DeploymentState;
  analyst: Analyst;

  constructor(options: SceneOptions) {
    this.#options = options;
    this.now = options.startMs;
    this.store = options.store ?? new MemoryEvidenceStore();
    const plan = testPlan([testLeg('api')]);
    const [group] = plan.groups;
    const begun = beginState(
      {
        ...plan,
        groups: group === undefined ? [] : [{ ...group, steps: [{ weight: 5, holdMs: options.holdMs ?? 3_000 }] }],
      },
      1,
      this.now,
    );
    this.state = {
      ...begun,
      phase: 'stepping',
      stage: 'holding',
      since: this.now,
      legs: begun.legs.map((leg) => ({ ...leg, weight: 5, exposed: true })),
      ...options.state,
    };
    this.analyst = this.#start();
  }

  /** The control plane dies, and the next one starts. */
  restart(store: EvidenceStore = this.store): void {
    this.analyst.close();
    this.#timers.clear();
    this.analyst = this.#start(store);
  }

  /** The control plane dies. */
  die(): void {
    this.analyst.close();
    this.#timers.clear();
  }

  analyses(): readonly { readonly at: number; readonly event: Extract<Told, { type: 'analysis' }> }[] {
    return this.told.flatMap(({ at, event }) => (event.type === 'analysis' ? [{ at, event }] : []));
  }

  conditions(): readonly { readonly at: number; readonly holds: boolean; readonly reason: string }[] {
    return this.told.flatMap(({ at, event }) =>
      event.type === 'condition' ? [{ at, holds: event.holds, reason: event.reason }] : [],
    );
  }

  observed(): number {
    return this.state.legs[0]?.observedMs ?? 0;
  }

  trafficMs(): number {
    return this.state.legs[0]?.trafficMs ?? 0;
  }

  async play(forMs: number): Promise<void> {
    for (const end = this.now + forMs; ;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) {
        this.now = end;
        return;
      }
      this.#timers.delete(next);
      this.now = Math.max(this.now, next.at);
      next.callback();
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    }
  }

  #start(store: EvidenceStore = this.store): Analyst {
    const { traffic, canSayCurrent, startMs, sources } = this.#options;
    const clock = {
      now: () => this.now,
      after: (delayMs: number, callback: () => void) => {
        const timer = { at: this.now + delayMs, callback };
        this.#timers.add(timer);
        return () => void this.#timers.delete(timer);
      },
    };
    const router = {
      traffic: async (_service: string, after: number) => {
        if (this.routerIsGone) throw new Error('the router is gone');
        const seconds: TrafficSecond[] = [];
        const oldest = Math.floor(startMs / 1_000) - 5;
        for (let second = Math.max(after + 1, oldest); second < Math.floor(this.now / 1_000); second += 1)
          seconds.push(traffic(second));
        return seconds;
      },
      ...(canSayCurrent === true
        ? {
            current: async (): Promise<CurrentSecond> => ({
              soFar: traffic(Math.floor(this.now / 1_000)),
              passedMs: this.now % 1_000,
            }),
          }
        : {}),
    } as unknown as Router;
    const evidence = new EvidenceBook(store, (trouble) => {
      if (trouble !== (this.troubles.at(-1) ?? null)) this.troubles.push(trouble);
    });
    const strategy = {
      limits: { minSuccessPercent: 99, maxP99Ms: 500, minRequests: 1_000_000 },
      ...(this.#options.analysis === undefined
        ? {}
        : { analysis: { sources: {}, journeys: [], ...this.#options.analysis } }),
    } as unknown as Strategy;
    const analyst: Analyst = new Analyst({
      clock,
      evidence,
      history: new TrafficHistory({ clock, evidence, live: () => [], router: () => router }),
      deployment: () => this.state,
      router: () => router,
      service: () => ({ strategy }) as unknown as ReturnType<ConstructorParameters<typeof Analyst>[0]['service']>,
      sources: async () => sources ?? new Map(),
      scope: (state) => ({
        environment: state.plan.environment,
        service: 'api',
        deployment: state.plan.id,
        phase: state.phase,
        arms: {
          stable: { slot: 'blue', release: 'rel_1', endpoints: [] },
          candidate: { slot: 'green', release: 'rel_2', endpoints: [] },
        },
      }),
      warn: (text) => void this.warnings.push(text),
      send: (_id, event) => {
        if (event.type !== 'analysis' && event.type !== 'condition') return;
        this.told.push({ at: this.now, event });
        const [leg] = this.state.legs;
        if (event.type !== 'analysis' || leg === undefined) return;
        const { observedMs, trafficMs, verdict } = event;
        this.state = {
          ...this.state,
          legs: [{ ...leg, verdict, observedMs: leg.observedMs + observedMs, trafficMs: leg.trafficMs + trafficMs }],
        };
        analyst.changed(this.state);
      },
    });
    analyst.changed(this.state);
    return analyst;
  }
}
