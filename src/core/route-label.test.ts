import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainRequestId, routeLabel, traceIdOf } from './route-label.ts';

const pathOf = (label: string): string => label.slice(label.indexOf(' ') + 1);

describe('the label of a route', () => {
  it.each([
    ['/', '/'],
    ['', '/'],
    ['/orders', '/orders'],
    ['/orders/', '/orders/'],
    ['/orders/17', '/orders/:id'],
    ['/orders/17/items/3', '/orders/:id/items/:id'],
    ['/orders?customer=anna@example.com', '/orders'],
    ['/orders#top', '/orders'],
    ['/users/anna@example.com', '/users/:id'],
    ['/users/anna%40example.com', '/users/:id'],
    ['/users/J%C3%BCrgen', '/users/:id'],
    ['/~anna/page', '/:id/page'],
    ['/api/v1/users', '/api/v1/users'],
    ['/apis/apps/v1beta2/pods', '/apis/apps/v1beta2/pods'],
    ['/v12/x', '/v12/x'],
    ['/v2024/x', '/:id/x'],
    ['/things/3f2504e0-4f89-11d3-9a0c-0305e82c3301', '/things/:id'],
    ['/things/3F2504E04F8911D39A0C0305E82C3301', '/things/:id'],
    ['/commits/deadbeef', '/commits/:id'],
    ['/commits/1a2b3c4', '/commits/:id'],
    ['/tokens/01ARZ3NDEKTSV4RRFFQ69G5FAV', '/tokens/:id'],
    ['/hosts/10.0.0.1', '/hosts/:id'],
    ['/call/+49-170-1234567', '/call/:id'],
    ['/oauth2/callback', '/oauth2/callback'],
    ['/assets/app.3f2a9c1b.js', '/assets/:id'],
    ['/assets/main.js', '/assets/main.js'],
    ['/a-word/with_marks', '/a-word/with_marks'],
    ['/a-rather-long-title-of-an-article-about-somebody', '/:id'],
    ['/session;jsessionid=abc', '/:id'],
    ['/1/2/3/4/5/6/7/8/9/10', '/:id/:id/:id/:id/:id/:id/:id/:id/*'],
  ])('of %s is %s', (path, label) => {
    expect(routeLabel('GET', path)).toBe(`GET ${label}`);
  });

  it('has one of the usual methods, or OTHER', () => {
    expect(routeLabel('DELETE', '/x')).toBe('DELETE /x');
    expect(routeLabel('PROPFIND', '/x')).toBe('OTHER /x');
    expect(routeLabel('get', '/x')).toBe('OTHER /x');
  });

  const segment = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[a-z0-9._~%@;=:-]{0,60}$/),
    fc.constantFrom('orders', ':id', '*', '', '..', 'v1'),
  );
  const path = fc.array(segment, { maxLength: 20 }).map((segments) => `/${segments.join('/')}`);

  it('of a label is that label', () => {
    fc.assert(
      fc.property(path, (given) => {
        const label = routeLabel('GET', given);
        expect(routeLabel('GET', pathOf(label))).toBe(label);
      }),
    );
  });

  it('is short, and visible ASCII without anything that an address or a query has', () => {
    fc.assert(
      fc.property(path, (given) => {
        const label = routeLabel('GET', given);
        expect(label.length).toBeLessThanOrEqual(350);
        expect(pathOf(label).replaceAll('/:id', '/')).toMatch(/^[A-Za-z0-9._*/-]*$/);
      }),
    );
  });

  it('shows nothing of what identifies a thing or a person', () => {
    const secret = fc.oneof(
      fc.bigInt({ min: 0n, max: 10n ** 30n }).map(String),
      fc.uuid(),
      fc.stringMatching(/^[0-9a-f]{8,64}$/),
      fc.emailAddress(),
      fc.string({ minLength: 1 }).map((text) => `%${encodeURIComponent(text)}`),
      fc.stringMatching(/^[a-z]{16,30}[0-9][a-z]{0,5}$/),
    );
    fc.assert(
      fc.property(secret, fc.constantFrom('', '?q=1', '/items'), (text, more) => {
        const clean = text.replaceAll(/[/?#]/g, '');
        expect(routeLabel('GET', `/orders/${clean}${more}`)).toBe(`GET /orders/:id${more === '/items' ? more : ''}`);
      }),
    );
  });

  it('is the same whatever follows the part that is looked at', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^(?:\/[a-z]{0,12}){100}$/), fc.string(), (long, more) => {
        fc.pre(long.length > 400);
        expect(routeLabel('GET', long + more)).toBe(routeLabel('GET', long));
      }),
    );
  });
});

describe('what a failed request is looked up by', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  it.each([
    [`00-${trace}-00f067aa0ba902b7-01`, trace],
    [`01-${trace}-00f067aa0ba902b7-01-what-may-come`, trace],
    [`00-${trace}-00f067aa0ba902b7-01-more`, null],
    [`ff-${trace}-00f067aa0ba902b7-01`, null],
    [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, null],
    [`00-${trace}-${'0'.repeat(16)}-01`, null],
    [`00-${trace.toUpperCase()}-00f067aa0ba902b7-01`, null],
    [`00-${trace}-00f067aa0ba902b7`, null],
    ['', null],
    [null, null],
  ])('in traceparent %s is the trace %s', (header, id) => {
    expect(traceIdOf(header)).toBe(id);
  });

  it('is an id of the request only if it is short and visible', () => {
    expect(plainRequestId('abc-123{}')).toBe('abc-123{}');
    expect(plainRequestId('x'.repeat(64))).toBe('x'.repeat(64));
    for (const bad of ['x'.repeat(65), '', 'a b', 'ä', 'a\n', null]) expect(plainRequestId(bad)).toBeNull();
  });
});
