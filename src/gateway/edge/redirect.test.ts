import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostMatcher, httpsLocation } from './redirect.ts';

const ours = hostMatcher(['shop.example.com', '*.example.org', 'localhost']);

describe('the redirect to HTTPS', () => {
  it.each([
    ['shop.example.com', '/', 443, 'https://shop.example.com/'],
    ['shop.example.com:80', '/a?b=c%20d', 443, 'https://shop.example.com/a?b=c%20d'],
    ['SHOP.example.com.', '/', 8_443, 'https://shop.example.com:8443/'],
    ['a.example.org', '//evil.test', 443, 'https://a.example.org//evil.test'],
    ['localhost:8080', '/x', 8_443, 'https://localhost:8443/x'],
    ['ignored.test', 'http://shop.example.com/y?z', 443, 'https://shop.example.com/y?z'],
    ['shop.example.com', 'http://shop.example.com?z', 443, 'https://shop.example.com/?z'],
    ['shop.example.com', '/a"b<c>{d}|e\\f^g`h', 443, 'https://shop.example.com/a%22b%3Cc%3E%7Bd%7D%7Ce%5Cf%5Eg%60h'],
  ])('of %s %s to port %d is %s', (host, target, port, location) => {
    expect(httpsLocation({ host, target }, port, ours)).toBe(location);
  });

  it.each([
    ['evil.test', '/'],
    ['example.org', '/'],
    ['xexample.org', '/'],
    ['shop.example.com@evil.test', '/'],
    ['evil.test/shop.example.com', '/'],
    ['evil.test#.example.org', '/'],
    ['evil.test\\.example.org', '/'],
    [null, '/'],
    ['', '/'],
    ['shop.example.com', '*'],
    ['shop.example.com', '/a b'],
    ['shop.example.com', '/a\r\nset-cookie: b'],
    ['shop.example.com', '/\u0000'],
    ['shop.example.com', '/é'],
    ['shop.example.com', '/#@evil.test'],
    ['shop.example.com', 'http://evil.test/'],
    ['shop.example.com', 'http://shop.example.com@evil.test/'],
  ])('of %j %j is none', (host, target) => {
    expect(httpsLocation({ host, target }, 443, ours)).toBeNull();
  });

  it('never leads to a host that is not ours, and keeps path and query', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.webAuthority(), fc.string(), fc.constantFrom('shop.example.com', 'b.example.org:8080')),
        fc.oneof(
          fc.webUrl({ withQueryParameters: true }),
          fc.string(),
          fc.webPath(),
          fc.string().map((text) => `/${text}`),
        ),
        (host, target) => {
          const location = httpsLocation({ host, target }, 443, ours);
          if (location === null) return;
          const url = new URL(location);
          expect(url.protocol).toBe('https:');
          expect(ours(url.hostname)).toBe(true);
          expect(url.username + url.password + url.hash).toBe('');
          expect(location).toMatch(/^[!-~]+$/);
          if (target.startsWith('/') && !/["<>\\^`{|}]/.test(target)) expect(location.endsWith(target)).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
