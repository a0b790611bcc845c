import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CryptoKey } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Problem } from '../kit/problem.ts';
import { rsaPair } from './forge.ts';
import { JWKS_KEEP_MS, JWKS_MAX_AGE_MS, JWKS_MIN_GAP_MS, JwksClient } from './jwks-client.ts';
import { JwksRefused, parseJwks } from './jwks.ts';

const pairs = [rsaPair(), rsaPair()] as const;
const jwk = (index: 0 | 1, more: object = {}): object => ({
  ...pairs[index].publicJwk,
  kid: `rs-${index + 1}`,
  alg: 'RS256',
  use: 'sig',
  ...more,
});

type Answer = (response: ServerResponse) => unknown;

/** Identity as far as it matters here: a real HTTP server. */
const identity = { keys: [jwk(0)] as readonly object[], asked: 0, answer: null as Answer | null };
const server = createServer((_request, response) => {
  identity.asked += 1;
  if (identity.answer === null)
    response.setHeader('content-type', 'application/jwk-set+json').end(JSON.stringify({ keys: identity.keys }));
  else identity.answer(response);
});
let now = 0;
let client: JwksClient;

beforeEach(async () => {
  Object.assign(identity, { keys: [jwk(0)], asked: 0, answer: null });
  now = 1_000_000_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  client = new JwksClient({ url: `http://127.0.0.1:${port}/.well-known/jwks.json`, clock: () => now, fetch });
});

afterEach(async () => {
  client.close();
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
});

const failWith =
  (status: number): Answer =>
  (response) =>
    response.writeHead(status).end();
/** The requests that run in the background have come and gone. */
const settled = async (): Promise<void> => await client.check(AbortSignal.timeout(5_000));

describe('the keys that identity publishes', () => {
  it('are asked for once for all who need them at the same time', async () => {
    const found = await Promise.all(Array.from({ length: 200 }, () => client.find('rs-1')));

    expect(found.every((key) => key !== undefined)).toBe(true);
    expect(identity.asked).toBe(1);
  });

  it('are kept: a known key costs no request', async () => {
    for (let i = 0; i < 1_000; i += 1) await client.find('rs-1');

    expect(identity.asked).toBe(1);
  });

  it('are asked for again when a kid is not known, so that a new key is found at once', async () => {
    await client.find('rs-1');
    identity.keys = [jwk(0), jwk(1)];
    now += JWKS_MIN_GAP_MS;

    expect(await client.find('rs-2')).toBeDefined();
    expect(identity.asked).toBe(2);
  });

  it('are not asked for more often than every two seconds, however many unknown kids come', async () => {
    await client.find('rs-1');
    for (let i = 0; i < 1_000; i += 1) {
      now += 10;
      expect(await client.find(`made-up-${i}`)).toBeUndefined();
    }

    expect(identity.asked).toBe(1 + 10_000 / JWKS_MIN_GAP_MS);
  });

  it('are believed no longer than five minutes after identity has taken them out', async () => {
    await client.find('rs-1');
    identity.keys = [jwk(1)];
    now += JWKS_MAX_AGE_MS + 1;

    expect(await client.find('rs-1')).toBeUndefined();
  });

  it('are renewed in the background from a minute on, without a token that waits', async () => {
    await client.find('rs-1');
    identity.keys = [jwk(1)];
    now += 61_000;

    expect(await client.find('rs-1')).toBeDefined();
    await expect.poll(() => identity.asked).toBe(2);
    await expect.poll(() => client.find('rs-1')).toBeUndefined();
  });

  const failures: readonly (readonly [string, Answer])[] = [
    ['answers 500', failWith(500)],
    ['answers 404', failWith(404)],
    ['breaks off', (response) => response.destroy()],
    ['answers with a page', (response) => response.end('<html>')],
    ['sends somewhere else', (response) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['answers without end', (response) => response.end(' '.repeat(70_000) + JSON.stringify({ keys: [] }))],
    [
      'publishes a secret',
      (response) => response.end(JSON.stringify({ keys: [jwk(0), { kty: 'oct', kid: 'x', k: 'AAAA' }] })),
    ],
  ];
  it.for(failures)('are kept while identity %s, for a day', async ([, answer]) => {
    await client.find('rs-1');
    identity.answer = answer;
    for (let minutes = 0; minutes < 24 * 60; minutes += 5) {
      now += 300_000;
      expect(await client.find('rs-1')).toBeDefined();
      await settled();
    }
    now += 300_000;

    await expect(client.find('rs-1')).rejects.toThrow(Problem);
  });

  it('are kept while nobody listens, and a kid that cannot be asked for is a 503, not a refusal', async () => {
    await client.find('rs-1');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    now += JWKS_MAX_AGE_MS + 1;

    expect(await client.find('rs-1')).toBeDefined();
    await expect(client.find('rs-2')).rejects.toMatchObject({ status: 503, code: 'keys-unavailable' });
    expect(await client.find('rs-1')).toBeDefined();
  });

  it('are there again by themselves when identity is back', async () => {
    identity.answer = failWith(503);
    await expect(client.find('rs-1')).rejects.toMatchObject({ status: 503 });
    await expect(client.check(AbortSignal.timeout(1_000))).rejects.toMatchObject({ status: 503 });
    identity.answer = null;
    now += JWKS_MIN_GAP_MS;

    await client.check(AbortSignal.timeout(1_000));
    expect(await client.find('rs-1')).toBeDefined();
  });

  it('make nobody wait for an identity that does not answer, once it is known that it does not', async () => {
    await client.find('rs-1');
    identity.answer = failWith(503);
    now += JWKS_MAX_AGE_MS + 1;
    await client.find('rs-1');
    // From now on it takes requests and answers none.
    identity.answer = () => undefined;
    now += JWKS_MAX_AGE_MS;

    expect(await client.find('rs-1')).toBeDefined();
    await expect.poll(() => identity.asked).toBe(3);
  });

  it('older than a day are used no more', async () => {
    await client.find('rs-1');
    identity.answer = failWith(500);
    now += JWKS_KEEP_MS + 1;

    await expect(client.find('rs-1')).rejects.toMatchObject({ status: 503 });
  });
});

describe('a key set', () => {
  const parse = (value: unknown): ReadonlyMap<string, CryptoKey> => parseJwks(Buffer.from(JSON.stringify(value)));

  it('may have keys of other public algorithms and members that nobody knows', () => {
    const elliptic = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'ec', alg: 'ES256' };

    expect([...parse({ keys: [jwk(0, { x5t: 'AA' }), elliptic, jwk(1, { use: 'enc' })], more: 1 }).keys()]).toEqual([
      'rs-1',
    ]);
  });

  it.for([
    ['a secret', [jwk(0), { kty: 'oct', kid: 'hs', alg: 'HS256', k: 'AAAA' }]],
    ['a private key', [{ ...pairs[0].privateJwk, kid: 'rs-1', alg: 'RS256' }]],
    ['one kid twice', [jwk(0), jwk(1, { kid: 'rs-1' })]],
    ['a key without a kid', [jwk(0, { kid: undefined })]],
    ['an RSA key of 1024 bits', [{ ...rsaPair(1_024).publicJwk, kid: 'x', alg: 'RS256' }]],
    ['the public exponent 1', [jwk(0, { e: 'AQ' })]],
    ['33 keys', Array.from({ length: 33 }, (_, index) => jwk(0, { kid: `k${index}` }))],
    ['keys that are no array', { 'rs-1': jwk(0) }],
    ['a key that is null', [null]],
  ] as const)('with %s is refused as a whole', ([, keys]) => {
    expect(() => parse({ keys })).toThrow(JwksRefused);
  });
});
