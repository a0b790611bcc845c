import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveSecret } from '../../src/drivers/secrets/resolve.ts';
import type { Secrets } from '../../src/drivers/secrets/secrets.ts';
import { MissingSecretError, SecretConflictError, SecretRefusedError, VezaError } from '../../src/errors.ts';

/** A store that drivers can be made for again and again. */
export interface SecretsUnderTest {
  open(environment: string): Secrets;
  dispose(): void;
}

export const VALUE = 'hunter2-Ž\n"\\ $(id)';

export async function caught(run: Promise<unknown>): Promise<VezaError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof VezaError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** What every secrets driver does. `clock` is the time that the driver was given. */
export function secretsContract(name: string, make: (now: () => number) => SecretsUnderTest): void {
  describe(`${name}: secrets`, () => {
    let time = 1000;
    let store: SecretsUnderTest;
    let secrets: Secrets;
    beforeEach(() => {
      time = 1000;
      store = make(() => time);
      secrets = store.open('staging');
    });
    afterEach(() => {
      store.dispose();
    });

    it('are not there at first', async () => {
      expect(await secrets.get('KEY')).toBeUndefined();
      expect(await secrets.list()).toEqual([]);
    });

    it('give back what was set, also to another driver, and count versions', async () => {
      expect(await secrets.set('KEY', VALUE)).toBe(1);
      expect(await store.open('staging').get('KEY')).toBe(VALUE);
      expect(await store.open('staging').set('KEY', 'second')).toBe(2);
      expect(await secrets.get('KEY')).toBe('second');
    });

    it('keep earlier versions', async () => {
      for (let n = 1; n <= 12; n += 1) await secrets.set('KEY', `value ${n}`);
      expect(await secrets.get('KEY', 11)).toBe('value 11');
      expect(await secrets.get('KEY', 1)).toBeUndefined();
      expect(await secrets.get('KEY', 13)).toBeUndefined();
      expect((await secrets.list())[0]?.kept).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    });

    it('are set one at a time: setting one erases no other', async () => {
      await secrets.set('a', '1');
      await secrets.set('b', '2');
      await secrets.set('a', '3');
      expect([await secrets.get('a'), await secrets.get('b')]).toEqual(['3', '2']);
    });

    it('lose nothing when several are set at the same time', async () => {
      const names = Array.from({ length: 10 }, (_, n) => `name-${n}`);
      await Promise.all(names.map(async (each) => store.open('staging').set(each, `value of ${each}`)));
      expect(await Promise.all(names.map(async (each) => secrets.get(each)))).toEqual(
        names.map((each) => `value of ${each}`),
      );
    });

    it('check the expected version: of those who race, one wins', async () => {
      expect(await secrets.set('KEY', 'first', { cas: 0 })).toBe(1);
      const conflict = await caught(secrets.set('KEY', 'again', { cas: 0 }));
      expect(conflict).toBeInstanceOf(SecretConflictError);
      expect(conflict).toMatchObject({ secret: 'KEY', expected: 0, found: 1 });
      const race = await Promise.allSettled(
        ['x', 'y', 'z'].map(async (each) => store.open('staging').set('KEY', each, { cas: 1 })),
      );
      expect(race.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
      expect((await secrets.list())[0]?.version).toBe(2);
    });

    it('are listed by name, with versions and never with values', async () => {
      await secrets.set('b', VALUE);
      time = 2000;
      await secrets.set('a', VALUE);
      await secrets.set('a', VALUE);
      const list = await secrets.list();
      expect(list).toEqual([
        { name: 'a', version: 2, kept: [1, 2], updatedAt: 2000 },
        { name: 'b', version: 1, kept: [1], updatedAt: 1000 },
      ]);
      expect(JSON.stringify(list)).not.toContain('hunter2');
    });

    it('belong to one environment', async () => {
      await secrets.set('KEY', 'of staging');
      expect(await store.open('production').get('KEY')).toBeUndefined();
      await store.open('production').set('KEY', 'of production');
      expect(await secrets.get('KEY')).toBe('of staging');
    });

    it.each([
      ['an empty value', 'KEY', ''],
      ['a NUL byte', 'KEY', 'hunter2\0'],
      ['a value that is too long', 'KEY', 'hunter2'.repeat(10_000)],
      ['a name with a slash', 'a/b', 'hunter2'],
      ['a name with a dot dot', '../key', 'hunter2'],
      ['an empty name', '', 'hunter2'],
    ])('refuse %s, without telling the value', async (_, secret, value) => {
      const error = await caught(secrets.set(secret, value));
      expect(error).toBeInstanceOf(SecretRefusedError);
      expect(inspect(error)).not.toContain('hunter2');
      expect(await secrets.list()).toEqual([]);
    });

    it('show no value when a driver is inspected or serialized', async () => {
      await secrets.set('KEY', VALUE);
      await secrets.get('KEY');
      const shown = [inspect(secrets, { showHidden: true, depth: 9 }), JSON.stringify(secrets)].join();
      expect(shown).not.toContain('hunter2');
    });

    it('are asked for by name when missing: service, reference, environment and command', async () => {
      const error = await caught(
        resolveSecret(secrets, {
          environment: 'staging',
          neededBy: 'api',
          secret: 'JWT_KEY',
          reference: 'services.api.environment.JWT_KEY',
        }),
      );
      expect(error).toBeInstanceOf(MissingSecretError);
      for (const part of ['api', 'JWT_KEY', 'services.api.environment.JWT_KEY', 'staging'])
        expect(error.message).toContain(part);
      expect(error.hint).toContain('veza secrets set JWT_KEY --environment staging');
      await secrets.set('JWT_KEY', VALUE);
      const request = { environment: 'staging', neededBy: 'api', secret: 'JWT_KEY', reference: 'r' };
      expect(await resolveSecret(secrets, request)).toBe(VALUE);
    });

    it('are made once in development, but never addresses', async () => {
      const development = store.open('development');
      const request = (secret: string) => ({ environment: 'development', neededBy: 'api', secret, reference: 'r' });
      const made = await Promise.all(
        [1, 2, 3].map(async () => resolveSecret(store.open('development'), request('JWT_KEY'))),
      );
      expect(new Set(made).size).toBe(1);
      expect(made[0]).toMatch(/^[A-Za-z0-9_-]{43}$/);
      expect(await development.get('JWT_KEY')).toBe(made[0]);
      expect(await resolveSecret(development, request('OTHER'))).not.toBe(made[0]);
      for (const secret of ['DATABASE_URL', 'url', 'sentry-dsn']) {
        expect(await caught(resolveSecret(development, request(secret)))).toBeInstanceOf(MissingSecretError);
      }
    });
  });
}
