import { describe, expect, it } from 'vitest';
import { Ledger } from '../core/rollout/ledger.ts';
import { testLeg, testPlan } from '../core/rollout/testing/plans.ts';
import { Stage } from '../core/rollout/testing/stage.ts';
import type { Slot, SlotRef } from '../core/slot.ts';
import type { EnvironmentHands } from './actor.ts';
import { Leftovers } from './leftovers.ts';

/** Hands of `production`, where `api` runs in both slots; what is done is written down. */
function handsOf(done: string[], fails: (call: string) => boolean = () => false) {
  const occupied = new Map<Slot, string[]>([
    ['blue', ['api-1']],
    ['green', ['api-2']],
  ]);
  const call = async (what: string): Promise<void> => {
    done.push(what);
    if (fails(what)) throw new Error(`${what} fails`);
  };
  const hands = {
    parts: {
      router: {
        observe: async () => [{ entry: { service: 'worker' } }],
        drain: (service: string, ids: readonly string[]) => call(`drain ${service} ${ids.join(' ')}`),
      },
    },
    routes: {
      sync: (service: string) => call(`sync ${service}`),
      refresh: (service: string) => void call(`refresh ${service}`),
    },
    slots: {
      occupied: (): SlotRef[] =>
        [...occupied.keys()].map((slot) => ({ environment: 'production', service: 'api', slot })),
      instances: (_service: string, slot: Slot) => occupied.get(slot) ?? [],
      status: () => ({ release: 'rel_api-v2' }),
      service: () => ({ proxy: { drainMs: 1_000 } }),
      remove: async (service: string, slot: Slot) => {
        await call(`remove ${service} ${slot}`);
        occupied.delete(slot);
      },
    },
  } as unknown as EnvironmentHands;
  return hands;
}

/** A ledger in which `api` is live in green, after a deployment that has ended, or is still under way. */
function ledgerWith(ended: boolean): Ledger {
  const ledger = new Ledger();
  const stage = new Stage(testPlan([testLeg('api')]));
  if (ended) stage.toTheEnd();
  else stage.until((state) => state.phase === 'retiring');
  ledger.put(stage.state);
  return ledger;
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

describe('what is left over', () => {
  const never = { now: () => 0, after: () => () => undefined };

  it('is taken out of the table, drained and stopped, once nobody wants it', async () => {
    const done: string[] = [];
    new Leftovers(handsOf(done), ledgerWith(true), never).sweep();
    await settled();
    expect(done).toEqual(['refresh worker', 'sync api', 'drain api api-1', 'remove api blue']);
  });

  it('is left to the deployment of its service while there is one', async () => {
    const done: string[] = [];
    new Leftovers(handsOf(done), ledgerWith(false), never).sweep();
    await settled();
    expect(done).toEqual(['refresh worker']);
  });

  it('is not stopped before the router has let go of it, and is tried again', async () => {
    const done: string[] = [];
    const retries: (() => void)[] = [];
    let routerIsAway = true;
    const clock = {
      now: () => 0,
      after: (_ms: number, callback: () => void) => (retries.push(callback), () => undefined),
    };
    new Leftovers(
      handsOf(done, (call) => routerIsAway && call === 'sync api'),
      ledgerWith(true),
      clock,
    ).sweep();
    await settled();
    expect(done).toEqual(['refresh worker', 'sync api']);
    routerIsAway = false;
    retries.at(-1)?.();
    await settled();
    expect(done.slice(2)).toEqual(['sync api', 'drain api api-1', 'remove api blue']);
  });
});
