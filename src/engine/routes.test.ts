import { describe, expect, it } from 'vitest';
import { Ledger } from '../core/rollout/ledger.ts';
import { testLeg, testPlan } from '../core/rollout/testing/plans.ts';
import { Stage } from '../core/rollout/testing/stage.ts';
import type { WriteStamp } from '../core/route-table.ts';
import type { EnvironmentParts } from './environment.ts';
import { Routes } from './routes.ts';
import type { Slots } from './slots.ts';

const declared = { proxy: {}, edge: {}, public: null, gates: {} };

interface Written {
  readonly service: string;
  readonly stamp: WriteStamp;
}

/** Routes of `production`, where `api` and `web` are live after a deployment, and `worker` belongs to another environment. */
function routesOver(write: (written: Written) => Promise<void>) {
  const ledger = new Ledger();
  const stage = new Stage(testPlan([testLeg('api'), testLeg('web')]));
  stage.toTheEnd();
  ledger.put(stage.state);
  const elsewhere = new Stage(testPlan([testLeg('worker')], { id: 'dep_2', environment: 'staging' }));
  elsewhere.toTheEnd();
  ledger.put(elsewhere.state);
  const retries: (() => void)[] = [];
  const routes = new Routes({
    parts: {
      declared: { name: 'production' },
      router: { write: (stamp: WriteStamp, { service }: { service: string }) => write({ service, stamp }) },
      internalPort: () => 4_000,
      runtime: { machine: '127.0.0.1' },
    } as unknown as EnvironmentParts,
    slots: { service: () => declared, endpoints: () => [] } as unknown as Slots,
    ledger,
    clock: { now: () => 0, after: (_, work) => (retries.push(work), () => undefined) },
    epoch: 7,
    maintenance: () => null,
    onTrouble: () => undefined,
  });
  return { routes, retries };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

describe('routes of a router that was started anew', () => {
  it('are written again, all of the environment, with newer stamps, though nothing has changed', async () => {
    const written: Written[] = [];
    const { routes } = routesOver(async (one) => void written.push(one));
    await routes.sync('api');
    await routes.sync('api');
    expect(written.map(({ service }) => service)).toEqual(['api']);

    routes.rewrite();
    await settled();
    expect(written.slice(1).map(({ service }) => service)).toEqual(['api', 'web']);
    expect(written.map(({ stamp }) => stamp)).toEqual([1, 2, 3].map((version) => ({ epoch: 7, version })));
    await routes.sync('web');
    expect(written).toHaveLength(3);
  });

  it('are written again too when the router before acknowledged them at the last moment', async () => {
    const written: Written[] = [];
    const answers: (() => void)[] = [];
    const { routes } = routesOver((one) => {
      written.push(one);
      return new Promise((resolve) => answers.push(resolve));
    });
    const first = routes.sync('api');
    await settled();
    routes.rewrite();
    answers[0]?.();
    await first;
    await settled();
    expect(written.map(({ service }) => service).toSorted()).toEqual(['api', 'api', 'web']);
  });

  it('are tried until the router takes them', async () => {
    let away = true;
    const written: string[] = [];
    const { routes, retries } = routesOver(async ({ service }) => {
      if (away) throw new Error('it is starting');
      written.push(service);
    });
    routes.rewrite();
    await settled();
    expect(retries).toHaveLength(2);
    away = false;
    for (const retry of retries.splice(0)) retry();
    await settled();
    expect(written.toSorted()).toEqual(['api', 'web']);
  });
});
