import { expect, it } from 'vitest';
import type { Effect } from '../core/rollout/effect.ts';
import { testLeg, testPlan } from '../core/rollout/testing/plans.ts';
import { Stage } from '../core/rollout/testing/stage.ts';
import { createActor, type EnvironmentHands } from './actor.ts';

/** What is done for one effect, in order; the first `fails` of it cannot be done. */
async function doneFor(kind: Effect['kind'], fails: string | null = null): Promise<readonly string[]> {
  const done: string[] = [];
  const call = (what: string) => async (): Promise<void> => {
    done.push(what);
    if (what === fails) throw new Error(`${what} fails`);
  };
  const hands = {
    parts: {},
    slots: { service: () => ({}), apply: call('apply'), remove: call('remove'), instances: () => [] },
    routes: { sync: call('sync') },
  } as unknown as EnvironmentHands;
  const actor = createActor({
    releases: undefined as never,
    policy: undefined as never,
    environment: () => hands,
    alarm: () => undefined,
    isUnavailable: () => false,
  });
  const stage = new Stage(testPlan([testLeg('api')]), (effect) => (effect.kind === kind ? null : 'done'));
  if (kind === 'stop') stage.operate({ kind: 'abort' });
  const effect = stage.log.find((logged) => logged.kind === kind);
  if (effect === undefined) throw new Error(`no ${kind} was asked for`);
  await actor.act(effect, stage.state, new AbortController().signal).catch(() => undefined);
  return done;
}

it('a slot is filled and emptied only after the router has let go of what was in it', async () => {
  expect(await doneFor('scale')).toEqual(['sync', 'apply']);
  expect(await doneFor('scale', 'sync')).toEqual(['sync']);
  expect(await doneFor('stop')).toEqual(['sync', 'remove']);
  expect(await doneFor('stop', 'sync')).toEqual(['sync']);
});
