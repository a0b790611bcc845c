import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { plainEdge } from '../../core/route-table.ts';
import type { RouteEdge } from '../../core/route-edge.ts';
import type { EdgeRequest } from '../edge-policy.ts';
import { testEntry } from '../testing-entry.ts';
import { createEdgePolicy, openPolicy } from './edge-policy.ts';
import { maintenancePage, prefersJson } from './maintenance.ts';
import { RateLimiter } from './rate-limiter.ts';

const request = (changes: Partial<EdgeRequest> = {}): EdgeRequest => ({
  method: 'GET',
  host: 'shop.example.com',
  path: '/',
  secure: true,
  clientAddress: '192.0.2.1',
  acceptEncoding: 'gzip, br',
  ...changes,
});

function policy(edge: Partial<RouteEdge>, now = () => 0) {
  return createEdgePolicy(testEntry({ edge: { ...plainEdge, ...edge } }), { rateLimiter: new RateLimiter(), now });
}

const headersOf = (flat: readonly string[]): Record<string, string> =>
  Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), flat[i + 1] ?? '']] : [])));

/** What becomes of an answer. */
function answered(
  headers: readonly string[],
  changes: { status?: number; length?: number | null; request?: Partial<EdgeRequest>; edge?: Partial<RouteEdge> } = {},
) {
  const flat = [...headers];
  const encoder = policy({ compress: true, ...changes.edge }).answer(
    request(changes.request),
    changes.status ?? 200,
    flat,
    changes.length === undefined ? 5_000 : changes.length,
  );
  return { headers: headersOf(flat), encoding: encoder?.encoding ?? null };
}

describe('an entry that declares nothing', () => {
  it('has the policy that all of them share', () => {
    expect(policy({})).toBe(openPolicy);
    expect(openPolicy.admit(request())).toBeNull();
    expect(openPolicy.answer(request(), 200, [], null)).toBeNull();
  });
});

describe('who gets in', () => {
  it('a hidden path is answered like one that no service has', () => {
    const answer = policy({ hidden: ['/metrics'] }).admit(request({ path: '/%6detrics' }));
    expect(answer).toMatchObject({ status: 404, code: 'hidden' });
    expect(JSON.parse(answer?.body.toString() ?? '')).toMatchObject({ type: 'urn:veza:gateway:no-route', status: 404 });
    expect(policy({ hidden: ['/metrics'] }).admit(request({ path: '/shop' }))).toBeNull();
  });

  it('too many requests of a client are told when to come back', () => {
    let now = 0;
    const edge = policy(
      { rateLimits: [{ requestsPerSecond: 0.1, burst: 2, per: 'client', path: '/login' }] },
      () => now,
    );
    const login = request({ path: '/login' });
    expect([edge.admit(login), edge.admit(login)]).toEqual([null, null]);
    const refused = edge.admit(request({ path: '/%6cogin/' }));
    expect(refused).toMatchObject({ status: 429, code: 'rate-limited' });
    expect(headersOf(refused?.headers ?? [])).toMatchObject({
      'retry-after': '10',
      'ratelimit-policy': '"client";q=2;w=20',
      ratelimit: '"client";r=0;t=10',
      'cache-control': 'no-store',
    });
    expect(edge.admit(request({ path: '/' }))).toBeNull();
    expect(edge.admit(request({ path: '/login', clientAddress: '192.0.2.2' }))).toBeNull();
    now = 10_000;
    expect(edge.admit(login)).toBeNull();
  });

  it('under maintenance everybody gets the page, or a problem document when he would rather have one', () => {
    const edge = policy({ maintenance: { retryAfterSeconds: 300, html: '<p>soon' }, hidden: ['/metrics'] });
    const page = edge.admit(request({ accept: 'text/html,application/json;q=0.9' }));
    expect(page).toMatchObject({ status: 503, code: 'maintenance' });
    expect(page?.body.toString()).toBe('<p>soon');
    expect(headersOf(page?.headers ?? [])).toMatchObject({
      'retry-after': '300',
      'content-type': 'text/html; charset=utf-8',
      vary: 'accept',
      'cache-control': 'no-store',
    });
    const document = edge.admit(request({ accept: 'application/json' }));
    expect(headersOf(document?.headers ?? [])['content-type']).toBe('application/problem+json');
    expect(JSON.parse(document?.body.toString() ?? '')).toMatchObject({ status: 503 });
    expect(edge.admit(request({ path: '/metrics' }))?.status).toBe(404);
  });

  it('the page that is built in asks for nothing from elsewhere', () => {
    const edge = policy({ maintenance: { retryAfterSeconds: 0, html: null } });
    expect(edge.admit(request())?.body.toString()).toBe(maintenancePage);
    expect(maintenancePage).not.toMatch(/https?:|src=|href=|@import|url\(/);
  });

  it.each([
    [null, false],
    ['*/*', false],
    ['text/html', false],
    ['application/json', true],
    ['application/json, text/html', false],
    ['application/vnd.api+json', true],
    ['text/html;q=0.5, application/json', true],
    ['application/json;q=0', false],
  ])('who says %j prefers JSON: %j', (accept, json) => {
    expect(prefersJson(accept)).toBe(json);
  });
});

describe('headers of answers', () => {
  it('are added unless the instance has set them, in whatever case', () => {
    const flat = ['X-Frame-Options', 'DENY', 'content-type', 'image/png'];
    policy({ headers: { 'x-frame-options': 'SAMEORIGIN', 'x-a': 'b' } }).answer(request(), 200, flat, 10);
    expect(flat).toEqual(['X-Frame-Options', 'DENY', 'content-type', 'image/png', 'x-a', 'b']);
  });
});

describe('compression', () => {
  const json = ['Content-Type', 'application/json'];

  it('is of what gets smaller by it, and says so', () => {
    const { headers, encoding } = answered([
      ...json,
      'ETag',
      '"a"',
      'Content-Length',
      '5000',
      'Accept-Ranges',
      'bytes',
    ]);
    expect(encoding).toBe('br');
    expect(headers).toEqual({
      'content-type': 'application/json',
      'content-encoding': 'br',
      etag: 'W/"a"',
      vary: 'accept-encoding',
    });
  });

  it.each([
    'text/html; charset=utf-8',
    'TEXT/CSS',
    'application/javascript',
    'application/vnd.api+json',
    'image/svg+xml',
    'application/wasm',
    'application/problem+json',
    'text/plain',
    'application/xhtml+xml',
    'application/xml',
  ])('is of %s', (type) => {
    expect(answered(['content-type', type]).encoding).toBe('br');
  });

  it.each([
    'image/png',
    'video/mp4',
    'application/zip',
    'text/event-stream',
    'application/octet-stream',
    'font/woff2',
    'application/grpc',
    '',
  ])('is not of %j, and says nothing about it', (type) => {
    expect(answered(['content-type', type])).toEqual({ encoding: null, headers: { 'content-type': type } });
  });

  it.each([
    ['a client that takes none', json, { request: { acceptEncoding: null } }],
    ['a client that refuses them', json, { request: { acceptEncoding: 'identity' } }],
    ['a small answer', json, { length: 999 }],
    ['what is encoded already', [...json, 'Content-Encoding', 'gzip'], {}],
    ['what must not be transformed', [...json, 'Cache-Control', 'private, no-transform'], {}],
    ['what has a digest of its bytes', [...json, 'Content-Digest', 'sha-256=:a:'], {}],
  ] as const)('is not for %s, but caches are told that it depends on the client', (_name, headers, changes) => {
    const result = answered(headers, changes);
    expect(result.encoding).toBeNull();
    expect(result.headers['vary']).toBe('accept-encoding');
    expect(result.headers['content-type']).toBe('application/json');
  });

  it.each([204, 205, 206])('is not of answers with status %d', (status) => {
    expect(answered(json, { status })).toEqual({ encoding: null, headers: { 'content-type': 'application/json' } });
  });

  it.each([200, 201, 203, 404, 500])('is of answers with status %d, of unknown length too', (status) => {
    expect(answered(json, { status, length: null }).encoding).toBe('br');
  });

  it('of HEAD is what GET would have', () => {
    const head = answered([...json, 'etag', '"a"'], { request: { method: 'HEAD' } });
    expect(head).toEqual(answered([...json, 'etag', '"a"']));
  });

  it('weakens the validator of 304 as that of 200 was', () => {
    expect(answered(['etag', '"a"'], { status: 304, length: 0 }).headers).toEqual({
      etag: 'W/"a"',
      vary: 'accept-encoding',
    });
  });

  it.each([
    ['Origin', 'Origin, accept-encoding'],
    ['Accept-Encoding', 'Accept-Encoding'],
    ['origin, ACCEPT-ENCODING', 'origin, ACCEPT-ENCODING'],
    ['*', '*'],
    ['x-accept-encoding', 'x-accept-encoding, accept-encoding'],
  ])('turns vary: %s into %s', (written, vary) => {
    expect(answered([...json, 'vary', written]).headers['vary']).toBe(vary);
  });

  it('can be turned off', () => {
    const flat = [...json];
    expect(policy({ headers: { 'x-a': 'b' }, compress: false }).answer(request(), 200, flat, null)).toBeNull();
    expect(flat).toEqual([...json, 'x-a', 'b']);
  });

  it('makes bytes that the client can read', async () => {
    const encoder = policy({ compress: true }).answer(request(), 200, [...json], null);
    encoder?.stream.end('"text"'.repeat(500));
    const bytes = Buffer.concat((await encoder?.stream.toArray()) as Buffer[]);
    expect(brotliDecompressSync(bytes).toString()).toBe('"text"'.repeat(500));
  });
});
