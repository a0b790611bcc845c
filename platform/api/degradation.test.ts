import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freshDatabase } from '../rig/fresh-database.ts';
import { ask as sql, startPostgres } from '../rig/postgres.ts';
import { freePort } from '../rig/program.ts';
import { startRedis } from '../rig/redis.ts';
import { type ApiRig, ask, startApi, type TestPerson } from './testing/api-rig.ts';

const told = { bio: '', language: 'fr' };
let rig: ApiRig;
let artist: TestPerson;
let listener: TestPerson;
beforeAll(async () => {
  rig = await startApi();
  [artist, listener] = [await rig.person(), await rig.person()];
  await rig.publish(artist, { title: 'Here' });
});
afterAll(() => rig.stop());

/** What does without audio, on an instance. */
async function statusesOf(url: string): Promise<readonly number[]> {
  const paths = [
    '/api/v1/me/profile',
    '/api/v1/discover',
    '/api/v1/search?q=here',
    `/api/v1/people/${artist.id}`,
    '/readyz',
  ];
  const answers = await Promise.all(paths.map((path) => ask(url, listener, 'GET', path)));
  return answers.map(({ status }) => status);
}

describe('with Redis', () => {
  it('what one instance changes, the others show with the next request', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const [one, other] = [await rig.another({ REDIS_URL: redis.url }), await rig.another({ REDIS_URL: redis.url })];
    const rename = (displayName: string) =>
      ask(one.url, artist, 'PUT', '/api/v1/me/profile', { json: { ...told, displayName } });
    const seen = async () =>
      (await ask(other.url, listener, 'GET', `/api/v1/people/${artist.id}`)).json<{ displayName: string }>()
        .displayName;
    // Both have to be connected: until then nothing is kept, and nothing could be stale.
    await expect
      .poll(async () => [...(await statusesOf(one.url)), ...(await statusesOf(other.url))], { timeout: 10_000 })
      .not.toContain(503);
    const server = new Redis(redis.url);
    const kept = async () => {
      await seen();
      return (await server.keys('veza:api:profile1:*')).length;
    };
    await expect.poll(kept, { timeout: 10_000 }).toBe(1);
    server.disconnect();

    for (let index = 0; index < 20; index += 1) {
      await rename(`Name ${index}`);
      expect(await seen()).toBe(`Name ${index}`);
    }

    await Promise.all([one.stop(), other.stop()]);
  });

  it('everything goes on when it dies, and when it is back', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const instance = await rig.another({ REDIS_URL: redis.url });
    const well = [200, 200, 200, 200, 200];
    await expect.poll(() => statusesOf(instance.url), { timeout: 10_000 }).toEqual(well);

    await redis.kill();
    const away = [await statusesOf(instance.url), await statusesOf(instance.url), await statusesOf(instance.url)];
    await redis.start();
    const back = await statusesOf(instance.url);

    expect([...away, back]).toEqual([well, well, well, well]);
    await instance.stop();
  });
});

it('without the replica, everything is read from the primary', async () => {
  const replica = new URL(rig.databaseUrl);
  replica.port = String(await freePort());
  const instance = await rig.another({ DATABASE_REPLICA_URL: replica.href });

  await expect.poll(() => statusesOf(instance.url), { timeout: 10_000 }).toEqual([200, 200, 200, 200, 200]);
  await instance.stop();
});

describe('while the database is away', () => {
  it('everything is 503 with Retry-After, quickly, and well again without a restart', async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const database = await freshDatabase(['api'], { server: postgres.url });
    const instance = await rig.another({ DATABASE_URL: database.url });
    const routes = ['/api/v1/me/profile', '/api/v1/me/playlists', '/api/v1/search?q=a', '/api/v1/me/history'];
    const statuses = async () =>
      (await Promise.all(routes.map((route) => ask(instance.url, listener, 'GET', route)))).map(({ status }) => status);
    const before = await statuses();

    // The rig's server does not wait for its log to be written: what is only in its memory would be lost with it.
    await sql(postgres.url, 'checkpoint');
    await postgres.kill();
    const answers = await Promise.all(routes.map((route) => ask(instance.url, listener, 'GET', route)));
    await postgres.start();

    expect(before).toEqual([200, 200, 200, 200]);
    for (const answer of answers) {
      expect([answer.status, answer.json()]).toMatchObject([503, { code: 'database-unavailable' }]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await expect.poll(statuses, { timeout: 20_000 }).toEqual([200, 200, 200, 200]);
    await instance.stop();
  });
});
