import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connect, type Database } from '../database/connect.ts';
import { createLog } from '../kit/log.ts';
import { createMetrics } from '../kit/metrics.ts';
import { freshDatabase, type FreshDatabase } from '../rig/fresh-database.ts';
import { LoginAttempts } from './login-attempts.ts';
import type { IdentityTables } from './schema.ts';

let fresh: FreshDatabase;
let databases: readonly Database<IdentityTables>[];
let instances: readonly LoginAttempts[];
let now = 1_780_000_000_000;

beforeAll(async () => {
  fresh = await freshDatabase(['identity']);
  databases = [0, 1].map(() => {
    const metrics = createMetrics({ service: 'identity' });
    metrics.close();
    return connect({ url: fresh.url, schema: 'identity', metrics, log: createLog({ level: 'silent', base: {} }) });
  });
  instances = databases.map(({ write }) => new LoginAttempts(write, () => now, 'k'.repeat(32)));
});

beforeEach(async () => void (await databases[0]?.write.deleteFrom('login_attempts').execute()));

afterAll(async () => {
  await Promise.all(databases.map((database) => database.close()));
  await fresh.drop();
});

/** How many of the attempts, all at once and over both instances, were let through. */
async function letThrough(attempts: readonly (readonly [string, string])[]): Promise<number> {
  const outcomes = await Promise.allSettled(
    attempts.map(async ([email, address], index) => await instances[index % 2]?.logIn(email, address)),
  );
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ status: 429, code: 'too-many-attempts' });
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
}
const repeat = (times: number, attempt: (index: number) => readonly [string, string]) =>
  Array.from({ length: times }, (_, index) => attempt(index));

describe('log-ins that fail', () => {
  it('are five for one account from one address, over all instances, also when a hundred come at once', async () => {
    expect(await letThrough(repeat(100, () => ['ada@example.org', '198.51.100.1']))).toBe(5);
  });

  it('are let through again one by one, every 30 seconds', async () => {
    await letThrough(repeat(10, () => ['ada@example.org', '198.51.100.1']));
    now += 29_000;
    expect(await letThrough(repeat(3, () => ['ada@example.org', '198.51.100.1']))).toBe(0);
    now += 1_000;
    expect(await letThrough(repeat(3, () => ['ada@example.org', '198.51.100.1']))).toBe(1);
    now += 300_000;
    expect(await letThrough(repeat(10, () => ['ada@example.org', '198.51.100.1']))).toBe(5);
  });

  it('say how long to wait', async () => {
    await letThrough(repeat(5, () => ['ada@example.org', '198.51.100.1']));
    const refused = instances[0]?.logIn('ada@example.org', '198.51.100.1');

    await expect(refused).rejects.toMatchObject({ headers: { 'retry-after': '30' } });
  });

  it('of a stranger do not lock the owner out, who comes from elsewhere', async () => {
    await letThrough(repeat(20, () => ['ada@example.org', '198.51.100.1']));

    expect(await letThrough([['ada@example.org', '203.0.113.9']])).toBe(1);
  });

  it('are fifty for one account from everywhere', async () => {
    expect(await letThrough(repeat(80, (index) => ['ada@example.org', `198.51.100.${index}`]))).toBe(50);
  });

  it('are fifty from one address over all accounts', async () => {
    expect(await letThrough(repeat(80, (index) => [`person-${index}@example.org`, '198.51.100.1']))).toBe(50);
  });

  it('from one IPv6 network count as from one address, and mapped IPv4 as IPv4', async () => {
    expect(
      await letThrough(repeat(80, (index) => [`a${index}@example.org`, `2001:db8:1:2::${index.toString(16)}`])),
    ).toBe(50);
    expect(await letThrough([['b@example.org', '2001:db8:1:3::1']])).toBe(1);
    await letThrough(repeat(5, () => ['c@example.org', '198.51.100.7']));
    expect(await letThrough([['c@example.org', '::ffff:198.51.100.7']])).toBe(0);
  });

  it('are none when the password was right', async () => {
    for (let i = 0; i < 60; i += 1)
      await (await instances[i % 2]?.logIn('ada@example.org', '198.51.100.1'))?.takeBack();

    expect(await letThrough(repeat(100, () => ['ada@example.org', '198.51.100.1']))).toBe(5);
  });

  it('leave nothing that a person or an address can be found by', async () => {
    await letThrough([['ada@example.org', '198.51.100.1']]);
    const rows = (await databases[0]?.write.selectFrom('login_attempts').select('key').execute()) ?? [];
    const guesses = [
      'ada@example.org',
      '198.51.100.1',
      'pair\0ada@example.org\x00198.51.100.1',
      'address\x00198.51.100.1',
    ].map((text) => createHash('sha256').update(text).digest('hex'));

    expect(rows).toHaveLength(3);
    expect(rows.filter(({ key }) => guesses.includes(key.toString('hex')))).toEqual([]);
  });

  it('are forgotten when they count no more', async () => {
    await letThrough(repeat(5, () => ['ada@example.org', '198.51.100.1']));
    now += 149_000;
    await instances[0]?.sweep();
    expect(await databases[0]?.write.selectFrom('login_attempts').select('key').execute()).toHaveLength(1);
    now += 2_000;
    await instances[1]?.sweep();
    expect(await databases[0]?.write.selectFrom('login_attempts').select('key').execute()).toHaveLength(0);
  });
});
