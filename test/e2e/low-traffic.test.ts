import { afterEach, expect, test } from 'vitest';
import { Sandbox } from './bad-input-sandbox.ts';

// A service that nobody uses: what synthetic users find decides, and what cannot be asked is told.

let sandbox: Sandbox | null = null;

afterEach(async () => {
  await sandbox?.[Symbol.asyncDispose]();
  sandbox = null;
});

const analysis = {
  journeys: { home: { every: '1s', timeout: '5s', steps: [{ path: '/', body: 'fine' }] } },
  metrics: {
    declined: { from: 'prometheus', url: 'http://127.0.0.1:9', events: 'declined', total: 'payments', every: '2s' },
  },
};
const strategy = {
  kind: 'canary',
  steps: [{ weight: 20, hold: '25s' }],
  watch: '2s',
  keepWarm: '1s',
  analysis,
};

async function platformOf(): Promise<Sandbox> {
  const platform = await Sandbox.create({ service: { strategy } });
  sandbox = platform;
  // As in production: a step whose time passes without anybody on the candidate waits for a person.
  const target = { kind: 'process', listen: `127.0.0.1:${platform.port}`, ports: '26200-26299' };
  await platform.declare({ platform: { environments: { development: { target, gates: { idle: 'pause' } } } } });
  return platform;
}

test('journeys promote a release that nobody uses, and take back one that fails them', async () => {
  const platform = await platformOf();
  await platform.program('all is fine');
  await platform.commit('v1');
  expect(await platform.veza(['up'])).toMatchObject({ status: 0 });
  expect(await platform.veza(['deploy'])).toMatchObject({ status: 0 });
  // When a good one comes
  await platform.program('this is fine, too');
  await platform.commit('v2');
  const deploying = platform.veza(['deploy']);
  // Then it is told that a metric cannot be asked
  const status = async (): Promise<string> => (await platform.veza(['status'])).stdout;
  await expect.poll(status, { timeout: 60_000, interval: 500 }).toContain('declined:');
  const good = await deploying;
  expect(good, good.stderr).toMatchObject({ status: 0 });
  expect(await platform.ask()).toBe('200 this is fine, too');
  // When a bad one comes, then users never get it for good
  await platform.program('broken');
  await platform.commit('v3');
  const bad = await platform.veza(['deploy']);
  expect(bad, bad.stdout).toMatchObject({ status: 5 });
  expect(`${bad.stdout}${bad.stderr}`).toContain('journeys');
  expect(await platform.ask()).toBe('200 this is fine, too');
});
