import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describe as describeValue, formatPath, mistake, parsePath } from './mistake.ts';
import { editDistance, nearest } from './nearest.ts';
import { holdsSecret, looksSecret } from './secret-names.ts';

describe('paths', () => {
  test.each([
    [[], ''],
    [['services', 'api', 'dependencies', 0], 'services.api.dependencies[0]'],
    [['strategies', 'blue-green', 'kind'], 'strategies.blue-green.kind'],
    [['services', 'my service', 'run'], 'services["my service"].run'],
    [['services', 'a"]b.c', 1], 'services["a\\"]b.c"][1]'],
  ])('%j is %s', (parts, text) => {
    expect(formatPath(parts)).toBe(text);
    expect(parsePath(text)).toEqual(parts);
  });

  test('what is written is read back', () => {
    const parts = fc.array(fc.oneof(fc.string(), fc.nat(999)), { maxLength: 6 });
    fc.assert(
      fc.property(parts, (path) => {
        expect(parsePath(formatPath(path))).toEqual(path);
      }),
    );
  });
});

test('a mistake is one sentence', () => {
  expect(mistake({ path: ['services', 'api'], expected: 'a service', got: 'null', suggestion: 'x' }).message).toBe(
    'services.api: expected a service, got null; did you mean `x`?',
  );
  expect(mistake({ path: [], expected: 'a platform', got: 'null' }).message).toBe(
    'the platform: expected a platform, got null',
  );
});

test.each([
  [undefined, 'nothing'],
  [null, 'null'],
  ['a', '"a"'],
  ['x'.repeat(80), `"${'x'.repeat(59)}…"`],
  [5, '5'],
  [[], 'an empty list'],
  [[1, 2], 'a list of 2'],
  [{}, 'an empty object'],
  [{ a: 1, b: 2, c: 3, d: 4, e: 5 }, 'an object with `a`, `b`, `c`, `d`, …'],
])('%j is %s for people', (value, text) => {
  expect(describeValue(value)).toBe(text);
});

describe('nearest name', () => {
  const NAMES = ['stable', 'candidate', 'staging', 'production', 'directory', 'maxP99', 'db'];

  test.each([
    ['stabel', 'stable'],
    ['Stable', 'stable'],
    ['candidat', 'candidate'],
    ['prod', 'production'],
    ['staging-env', 'staging'],
    ['max_p99', 'maxP99'],
    ['dbb', 'db'],
    ['xyz', null],
    ['', null],
    ['x'.repeat(10_000), null],
  ])('of %j is %j', (written, name) => {
    expect(nearest(written, NAMES)).toBe(name);
  });

  test('is itself for a name that exists', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), (name) => {
        expect(nearest(name, NAMES)).toBe(name);
      }),
    );
  });
});

describe('edit distance', () => {
  const words = fc.string({ maxLength: 12 });

  test.each([
    ['kitten', 'sitting', 3],
    ['ab', 'ba', 1],
    ['', 'abc', 3],
  ])('of %s and %s is %d', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  test('is symmetric, zero for the same only, and at most the longer length', () => {
    fc.assert(
      fc.property(words, words, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
});

describe('secrets', () => {
  test.each([
    'DB_PASSWORD',
    'password',
    'JWT_SECRET',
    'GITHUB_TOKEN',
    'STRIPE_API_KEY',
    'stripeApiKey',
    'PRIVATE_KEY',
    'AWS_CREDENTIALS',
  ])('%s names one', (name) => {
    expect(looksSecret(name)).toBe(true);
  });

  test.each([
    'PASSWORD_MIN_LENGTH',
    'TOKEN_TTL',
    'CACHE_KEY',
    'PUBLIC_KEY',
    'SECRETS_DIR',
    'LOG_LEVEL',
    'KEY',
    'PWD',
    'MONKEY',
    '',
  ])('%s names none', (name) => {
    expect(looksSecret(name)).toBe(false);
  });

  test('a URL with a password and a private key hold one, a plain URL does not', () => {
    expect(holdsSecret('postgres://app:hunter2@db/shop')).toBe(true);
    expect(holdsSecret('-----BEGIN RSA PRIVATE KEY-----\nMII')).toBe(true);
    expect(holdsSecret('postgres://app@db/shop')).toBe(false);
    expect(holdsSecret('https://example.com/a:b@c')).toBe(false);
  });
});
