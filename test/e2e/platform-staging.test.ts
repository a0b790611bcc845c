import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SERVICES } from '../../src/demo/project.ts';
import { freePort } from '../../src/system/free-port.ts';
import { DeployedPlatform } from './deployed-platform.ts';

// The way of a release to production: built once, tried in staging, and the same bytes after that (invariant 6).

const keys = ['key-ring', 'internal-key', 'media-key', 'ledger-key'];
let platform: DeployedPlatform;
let ports: { readonly staging: number; readonly production: number };

beforeAll(async () => {
  ports = { staging: await freePort('127.0.0.1', 0), production: await freePort('127.0.0.1', 0) };
  platform = await DeployedPlatform.start((config) =>
    config
      .replaceAll('127.0.0.1:8081', `127.0.0.1:${ports.staging}`)
      .replaceAll('127.0.0.1:8082', `127.0.0.1:${ports.production}`)
      // Nobody uses it here, and hours of watching show nothing more.
      .replaceAll("strategy: 'careful'", "strategy: 'brisk'")
      .replace("gates: { requires: 'staging' }", "gates: { requires: 'staging', idle: 'proceed' }"),
  );
  for (const environment of ['staging', 'production']) {
    for (const name of keys) {
      await platform.client.call('setSecret', {
        params: { environment, name },
        body: { value: randomBytes(32).toString('base64url') },
      });
    }
  }
}, 300_000);

afterAll(async () => {
  await platform?.stop();
}, 120_000);

describe('a release', () => {
  test('goes into staging, then the same digests into production; what staging never saw is refused there', async () => {
    const releases = await platform.build('v1', SERVICES);

    // Not before staging.
    const early = await platform.deploy(releases, { environment: 'production' }).then(
      ({ id }) => platform.follow(id),
      (error: unknown) => error,
    );
    expect(refusal(early)).toMatch(/staging/);
    await expect(answers(ports.production)).resolves.toBe(false);

    const staged = await platform.follow((await platform.deploy(releases, { environment: 'staging' })).id);
    expect(staged.phase).toBe('succeeded');
    await expect(answers(ports.staging)).resolves.toBe(true);

    const live = await platform.follow((await platform.deploy(releases, { environment: 'production' })).id);
    expect(live.phase).toBe('succeeded');
    await expect(answers(ports.production)).resolves.toBe(true);
    const digests = (await platform.client.call('releases', { query: {} }))
      .filter(({ id }) => releases.includes(id))
      .map(({ artifact }) => artifact);
    expect(digests).toHaveLength(SERVICES.length);

    // One byte of another release, which staging has not seen.
    const [unseen = ''] = await platform.build('v2', ['api']);
    const refused = await platform.deploy([unseen], { environment: 'production' }).then(
      ({ id }) => platform.follow(id),
      (error: unknown) => error,
    );
    expect(refusal(refused)).toMatch(/staging/);
    const status = await platform.client.call('status', { query: { environment: 'production' } });
    expect(JSON.stringify(status)).toContain(releases.at(SERVICES.indexOf('api')));
  }, 600_000);
});

/** Why a deployment was not begun, or was refused, in words. */
function refusal(outcome: unknown): string {
  if (outcome instanceof Error) return outcome.message;
  return JSON.stringify(outcome);
}

async function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    ({ status }) => status === 200,
    () => false,
  );
}
