import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readSettings, setting, SettingsRefused } from './settings.ts';

const shape = z.object({
  DATABASE_URL: setting.url('postgres:', 'postgresql:'),
  INTERNAL_KEY: setting.headerSecret(),
  DATABASE_POOL: setting.integer(1, 100).default(8),
  DATABASE_PREPARE: setting.flag().default(true),
  ALLOWED_ORIGINS: setting.list().default([]),
});
const right = { DATABASE_URL: 'postgres://u:p@h/d', INTERNAL_KEY: 'k'.repeat(32) };

function refused(environment: Record<string, string | undefined>): SettingsRefused {
  try {
    readSettings(shape, environment);
  } catch (error) {
    if (error instanceof SettingsRefused) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('the settings of a service', () => {
  test('come from the environment as values', () => {
    expect(
      readSettings(shape, { ...right, PORT: '0', DATABASE_PREPARE: '0', ALLOWED_ORIGINS: 'https://a, https://b' }),
    ).toMatchObject({
      PORT: 0,
      HOST: '127.0.0.1',
      METRICS_PORT: 0,
      DATABASE_POOL: 8,
      DATABASE_PREPARE: false,
      ALLOWED_ORIGINS: ['https://a', 'https://b'],
    });
  });

  test('an empty variable is an absent one', () => {
    expect(readSettings(shape, { ...right, DATABASE_POOL: '', LOG_LEVEL: '' })).toMatchObject({
      DATABASE_POOL: 8,
      LOG_LEVEL: 'info',
    });
    expect(refused({ ...right, INTERNAL_KEY: '' }).mistakes).toEqual([{ name: 'INTERNAL_KEY', wrong: 'is missing' }]);
  });

  test('a secret that travels in a header has nothing in it that a header would lose', () => {
    for (const wrong of [`${'k'.repeat(32)} and more`, `${'k'.repeat(32)}\n`, `${'k'.repeat(32)}ü`])
      expect(refused({ ...right, INTERNAL_KEY: wrong }).mistakes).toEqual([
        { name: 'INTERNAL_KEY', wrong: 'must be visible ASCII without spaces' },
      ]);
  });

  test('every mistake is named at once', () => {
    const { mistakes } = refused({
      PORT: '70000',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://x',
      DATABASE_POOL: 'many',
    });
    expect(mistakes.map(({ name }) => name)).toEqual([
      'DATABASE_POOL',
      'DATABASE_URL',
      'INTERNAL_KEY',
      'LOG_LEVEL',
      'PORT',
    ]);
  });

  test('no message has a value in it, not even one that a schema wrote there', () => {
    const secret = 'hunter2-hunter2';
    const telling = z.object({
      KEY: z.string().check(
        (context) =>
          void context.issues.push({
            code: 'custom',
            input: context.value,
            message: `${context.value} is too short`,
          }),
      ),
    });
    for (const attempt of [
      () => readSettings(telling, { KEY: secret }),
      () =>
        readSettings(shape, {
          ...right,
          INTERNAL_KEY: secret,
          DATABASE_URL: secret,
          PORT: secret,
          LOG_LEVEL: secret,
          OTEL_EXPORTER_OTLP_ENDPOINT: secret,
        }),
    ]) {
      let message = '';
      try {
        attempt();
      } catch (error) {
        message = String(error);
      }
      expect(message).toContain('KEY');
      expect(message).not.toContain(secret);
    }
  });
});
