import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildMatcher, normalizeHost } from './matcher.ts';
import { testEntry } from './testing-entry.ts';

const route = (service: string, hosts: readonly string[], paths: readonly string[]) =>
  testEntry({ service, public: { hosts, paths } });

const matcher = buildMatcher([
  route('web', ['shop.example'], ['/']),
  route('api', ['shop.example'], ['/api', '/v1/']),
  route('admin', ['shop.example'], ['/api/admin']),
  route('tenants', ['*.shop.example'], ['/']),
  route('deep', ['*.eu.shop.example'], ['/']),
  route('fallback', [], ['/health']),
  testEntry({ service: 'inside', public: null }),
]);
const found = (host: string, path: string): string | null => matcher.match(host, path)?.service ?? null;

describe('matching', () => {
  it.each([
    ['shop.example', '/', 'web'],
    ['shop.example', '/api', 'api'],
    ['shop.example', '/api/', 'api'],
    ['shop.example', '/api/x', 'api'],
    ['shop.example', '/apix', 'web'],
    ['shop.example', '/api/admin', 'admin'],
    ['shop.example', '/api/administrator', 'api'],
    ['shop.example', '/v1', 'api'],
    ['shop.example', '/v1/x', 'api'],
    ['SHOP.Example:8080', '/', 'web'],
    ['shop.example.', '/', 'web'],
    ['a.shop.example', '/', 'tenants'],
    ['a.b.shop.example', '/', 'tenants'],
    ['a.eu.shop.example', '/', 'deep'],
    ['eu.shop.example', '/', 'tenants'],
    ['other.example', '/health', 'fallback'],
    ['other.example', '/', null],
    ['', '/', null],
    ['xshop.example', '/', null],
  ])('takes %s%s to %s', (host, path, service) => {
    expect(found(host, path)).toBe(service);
  });

  it('finds what a plain search over all rules finds', () => {
    const segment = fc.constantFrom('a', 'b', 'ab');
    const path = fc.array(segment, { maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
    const rules = fc.uniqueArray(path, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(rules, path, (prefixes, wanted) => {
        const built = buildMatcher(prefixes.map((prefix, i) => route(`s${i}`, ['h'], [prefix])));
        const segments = (text: string): string[] => text.split('/').filter((part) => part !== '');
        const fitting = prefixes.filter((prefix) => segments(prefix).every((part, i) => segments(wanted)[i] === part));
        const best = fitting.sort((a, b) => segments(b).length - segments(a).length)[0];
        const expected = best === undefined ? null : `s${prefixes.indexOf(best)}`;
        expect(built.match('h', wanted)?.service ?? null).toBe(expected);
      }),
    );
  });

  it('keeps the colon of an IPv6 address and drops its port', () => {
    expect(normalizeHost('[::1]:8080')).toBe('[::1]');
  });
});
