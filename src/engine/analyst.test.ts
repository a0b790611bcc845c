import { describe, expect, it } from 'vitest';
import { beginState } from '../core/rollout/begin.ts';
import type { DeploymentEvent } from '../core/rollout/event.ts';
import type { DeploymentState } from '../core/rollout/state.ts';
import { testLeg, testPlan } from '../core/rollout/testing/plans.ts';
import type { Service } from '../core/spec/platform.ts';
import type { ArmSecond, CurrentSecond, TrafficSecond } from '../core/traffic.ts';
import type { Router } from '../drivers/router/router.ts';
import { Analyst } from './analyst.ts';

const arm = (requests: number): ArmSecond => ({
  requests,
  serverErrors: 0,
  gatewayErrors: 0,
  clientErrors: 0,
  latency: requests === 0 ? [] : [[100, requests]],
});
const traffic = (second: number, requests: number): TrafficSecond => ({
  service: 'api',
  second,
  arms: { stable: arm(requests), candidate: arm(requests) },
});

/** A canary on its first step of 3 s, a router with steady traffic, and a clock that is moved by hand. */
function scene(options: {
  readonly startMs: number;
  readonly canSayCurrent: boolean;
  readonly candidateGetsNothing?: boolean;
}) {
  let now = options.startMs;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  const told: { readonly at: number; readonly event: Extract<DeploymentEvent, { type: 'analysis' }> }[] = [];
  const begun = beginState(testPlan([testLeg('api')]), 1, now);
  let state: DeploymentState = {
    ...begun,
    phase: 'stepping',
    stage: 'holding',
    since: now,
    legs: begun.legs.map((leg) => ({ ...leg, weight: 5, exposed: true })),
  };
  const counts = options.candidateGetsNothing === true ? 0 : 5;
  const router = {
    traffic: async (_service: string, after: number) => {
      const seconds: TrafficSecond[] = [];
      for (
        let second = Math.max(after + 1, options.startMs / 1_000 - 5);
        second < Math.floor(now / 1_000);
        second += 1
      ) {
        seconds.push(traffic(Math.floor(second), counts));
      }
      return seconds;
    },
    ...(options.canSayCurrent
      ? {
          current: async (): Promise<CurrentSecond> => ({
            soFar: traffic(Math.floor(now / 1_000), counts),
            passedMs: now % 1_000,
          }),
        }
      : {}),
  } as unknown as Router;
  const analyst = new Analyst({
    clock: {
      now: () => now,
      after: (delayMs, callback) => {
        const timer = { at: now + delayMs, callback };
        timers.add(timer);
        return () => void timers.delete(timer);
      },
    },
    deployment: () => state,
    router: () => router,
    service: () =>
      ({ strategy: { limits: { minSuccessPercent: 99, maxP99Ms: 500, minRequests: 1_000 } } }) as unknown as Service,
    send: (_id, event) => {
      if (event.type !== 'analysis') return;
      told.push({ at: now, event });
      const [leg] = state.legs;
      if (leg === undefined) return;
      const observedMs = leg.observedMs + event.observedMs;
      state = { ...state, legs: [{ ...leg, observedMs, trafficMs: leg.trafficMs + event.trafficMs }] };
    },
  });
  const play = async (forMs: number): Promise<void> => {
    for (const end = now + forMs; ;) {
      const next = [...timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) {
        now = end;
        return;
      }
      timers.delete(next);
      now = Math.max(now, next.at);
      next.callback();
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    }
  };
  analyst.changed(state);
  return {
    play,
    told,
    observed: () => state.legs[0]?.observedMs ?? 0,
    traffic: () => state.legs[0]?.trafficMs ?? 0,
    analyst,
  };
}

describe('a window', () => {
  it('is over when its time is, in the middle of a second, when the router can say what is counted of that', async () => {
    const { play, told, observed, traffic } = scene({ startMs: 1_000_400, canSayCurrent: true });
    await play(2_999);
    expect(observed()).toBeLessThan(3_000);
    await play(60);
    expect(observed()).toBeGreaterThanOrEqual(3_000);
    expect(traffic()).toBe(observed());
    // What is told is what has passed, no more.
    expect(told.at(-1)?.at).toBe(1_000_400 + observed());
  });

  it('is over with the first whole second behind it when the router only knows whole seconds', async () => {
    const { play, told, observed } = scene({ startMs: 1_000_400, canSayCurrent: false });
    await play(3_800);
    expect(observed()).toBeLessThan(3_000);
    await play(200);
    expect(observed()).toBe(3_600);
    expect(told.at(-1)?.at).toBe(1_004_300);
  });

  it('never counts time twice: what was observed is never more than what has passed', async () => {
    for (const startMs of [1_000_000, 1_000_001, 1_000_250, 1_000_999]) {
      const { play, observed, told } = scene({ startMs, canSayCurrent: true });
      await play(20_000);
      expect(observed()).toBeLessThanOrEqual((told.at(-1)?.at ?? 0) - startMs);
      expect(observed()).toBeGreaterThan(10_000);
    }
  });

  it('that lacks nothing but traffic is looked at with every second, not all the time', async () => {
    const { play, told, traffic } = scene({ startMs: 1_000_400, canSayCurrent: true, candidateGetsNothing: true });
    await play(20_000);
    expect(traffic()).toBe(0);
    expect(told.length).toBeLessThanOrEqual(25);
  });
});
