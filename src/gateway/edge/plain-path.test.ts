import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathPrefixes } from './plain-path.ts';

const hidden = new PathPrefixes(['/metrics', '/healthz', '/actuator/health']);

describe('a path prefix', () => {
  it.each([
    '/metrics',
    '/metrics/',
    '/metrics/jvm',
    '//metrics',
    '///metrics',
    '/./metrics',
    '/x/../metrics',
    '/x/%2e%2e/metrics',
    '/x/.%2E/metrics',
    '/metrics/../x',
    '/%6detrics',
    '/%6D%65trics',
    '/%256detrics',
    '/%25%36detrics',
    '/METRICS',
    '/Metrics',
    '/%4detrics',
    '/metrics;a=b',
    '/metrics%3Ba',
    '/;a/metrics',
    '/metrics%00.css',
    '/metrics%20',
    '/metrics%0a',
    '/metrics.',
    '/metrics#x',
    '/metrics%23x',
    '/metrics%3fx',
    '/%2fmetrics',
    '/x%2f..%2fmetrics',
    '/x\\..\\metrics',
    '\\metrics',
    '//any.host/metrics',
    '/\\any.host/metrics',
    '/../metrics',
    '/api/../../metrics',
    '/actuator//health',
    '/actuator/./health/liveness',
    '/actuator;v=1/health',
    '/HEALTHZ/',
  ])('is seen in %s', (path) => {
    expect(hidden.has(path)).toBe(true);
  });

  it.each([
    '/',
    '/metricsx',
    '/metrics-of-shops',
    '/api/metrics',
    '/api/../x/metrics',
    '/actuator',
    '/actuator/info',
    '/healthy',
    '/%6detric',
    '/me/trics',
    '/a.b/c..d',
    '/caf%C3%A9',
    '/%zz',
    '/%',
    '/100%',
    '*',
  ])('is not seen in %s', (path) => {
    expect(hidden.has(path)).toBe(false);
  });

  it('of everything is seen in everything', () => {
    expect(new PathPrefixes(['/']).has('/any/../thing')).toBe(true);
  });

  it('is seen however it is disguised', () => {
    const encode = (character: string, times: number): string => {
      let text = `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
      for (let i = 0; i < times; i += 1) text = text.replaceAll('%', '%25');
      return text;
    };
    const letter = (character: string) =>
      fc.oneof(
        fc.constant(character),
        fc.constant(character.toUpperCase()),
        fc.nat(3).map((times) => encode(character, times)),
      );
    const slash = fc.constantFrom('/', '//', '/./', '/x/../', '/%2e/', '%2f', '/%2F', '\\', '/a;b/..//');
    const disguised = fc
      .tuple(slash, ...Array.from('metrics', letter), fc.constantFrom('', '/', ';x', '.', '%20', '/jvm', '#f'))
      .map((parts) => parts.join(''))
      .map((path) => (path.startsWith('/') || path.startsWith('\\') ? path : `/${path}`));

    fc.assert(
      fc.property(disguised, (path) => {
        expect(hidden.has(path)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes a time that grows with the path only, whatever is in it', () => {
    const started = performance.now();
    for (const part of ['%25', '/..', '//', '%2525', ';', '.', '%2e%2e/']) hidden.has(`/${part.repeat(5_000)}`);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
