import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { platformJsonSchema } from '../core/spec/json-schema.ts';
import { parsePlatform } from '../core/spec/parse-platform.ts';

const PAGE = readFileSync(new URL('../../docs/declaration.md', import.meta.url), 'utf8');
const EXAMPLE = readFileSync(new URL('../../veza.config.ts', import.meta.url), 'utf8');

/** Every key that a declaration can have. */
function keysOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap(keysOf);
  return Object.entries(schema).flatMap(([key, value]) => [
    ...(key === 'properties' ? Object.keys(value as object) : []),
    ...keysOf(value),
  ]);
}

const KEYS = [...new Set(keysOf(platformJsonSchema()))].filter((key) => key !== 'secret');

test('there are keys to document', () => {
  expect(KEYS.length).toBeGreaterThan(60);
});

test.each(KEYS)('docs/declaration.md tells what `%s` is', (key) => {
  expect(PAGE).toMatch(new RegExp(`[\`{ ,]${key}[\`} ,:]`));
});

test('every section of a declaration is in the annotated example', () => {
  for (const key of [
    'services',
    'resources',
    'strategies',
    'environments',
    'overrides',
    'gates',
    'migrations',
    'health',
    'limits',
  ]) {
    expect(EXAMPLE).toContain(`${key}:`);
  }
});

test('the defaults that the page tells are the defaults', () => {
  const result = parsePlatform({
    name: 'a',
    services: { a: { source: '.', run: 'x', health: { liveness: {} } } },
  });
  const service = result.ok ? result.platform.environments['development']?.services['a'] : undefined;
  expect(PAGE).toContain("every `'10s'`, `3` in a row");
  expect(service?.health.liveness).toMatchObject({ intervalMs: 10_000, failures: 3, timeoutMs: 5_000 });
  expect(PAGE).toContain("`'30s'`, `'5m'`, `'100MB'`, `'30s'`");
  expect(service?.proxy).toEqual({
    responseTimeoutMs: 30_000,
    idleTimeoutMs: 300_000,
    maxBodyBytes: 100_000_000,
    drainMs: 30_000,
  });
});
