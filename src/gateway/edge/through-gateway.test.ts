import { randomBytes } from 'node:crypto';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { constants, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RouteEdge } from '../../core/route-edge.ts';
import { plainEdge } from '../../core/route-table.ts';
import { testEntry } from '../testing-entry.ts';
import { startGateway, type TestGateway } from '../testing-gateway.ts';
import { PemCertificateBook } from '../tls/certificate-book.ts';
import { makeLeaf } from '../tls/x509.ts';
import { AccessLines } from './access-line.ts';
import { DayKey } from './day-key.ts';

// The edge as users meet it: a gateway with an instance behind it, and a client in front.

const TEXT = JSON.stringify(Array.from({ length: 400 }, (_, index) => ({ index, text: 'some text' })));

let instance: Server;
let gateway: TestGateway;
let asked: string[] = [];

beforeEach(async () => {
  asked = [];
  instance = createServer((incoming, answer) => {
    asked.push(incoming.url ?? '');
    if (incoming.url === '/trickle') {
      answer.writeHead(200, { 'content-type': 'text/plain' });
      answer.write('first');
      // The rest never comes: what has come must reach the client all the same.
      return;
    }
    answer.writeHead(200, { 'content-type': 'application/json', etag: '"a"', 'x-own': 'instance' });
    answer.end(incoming.method === 'HEAD' ? undefined : TEXT);
  });
  await new Promise<void>((resolve) => instance.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await gateway.end();
  instance.closeAllConnections();
  await new Promise((resolve) => instance.close(resolve));
  expect(gateway.surprises).toEqual([]);
});

async function start(edge: Partial<RouteEdge>): Promise<void> {
  const { port } = instance.address() as AddressInfo;
  gateway = await startGateway([
    testEntry({
      edge: { ...plainEdge, ...edge },
      endpoints: { blue: [{ id: 'a', host: '127.0.0.1', port }], green: [] },
      public: { paths: ['/'] },
    }),
  ]);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function ask(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  port = gateway.port,
  enoughBytes = Number.POSITIVE_INFINITY,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (answer) => {
      const pieces: Buffer[] = [];
      let length = 0;
      const done = (): void =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) });
      answer.on('data', (piece: Buffer) => {
        pieces.push(piece);
        length += piece.length;
        if (length >= enoughBytes) done();
      });
      answer.on('end', done);
      answer.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('through a gateway', () => {
  it('a hidden path is answered as one that nobody has, and reaches no instance', async () => {
    await start({ hidden: ['/metrics'] });
    const { port } = gateway;
    const closed = await startGateway([]);
    const missing = await ask('/metrics', {}, 'GET', closed.port);
    await closed.end();
    for (const path of ['/metrics', '/%6detrics', '//metrics', '/x/../METRICS;a']) {
      const hidden = await ask(path, {}, 'GET', port);
      const shape = ({ status, headers, body }: Answer): unknown => ({
        status,
        names: Object.keys(headers),
        error: headers['x-veza-error'],
        body: { ...(JSON.parse(body.toString()) as object), requestId: '' },
      });
      expect(shape(hidden)).toEqual(shape(missing));
    }
    expect(asked).toEqual([]);
    expect(gateway.records.map(({ code }) => code)).toEqual(['hidden', 'hidden', 'hidden', 'hidden']);
  });

  it('an answer is compressed as the client takes it, and HEAD says the same as GET', async () => {
    await start({ compress: true });
    const get = await ask('/', { 'accept-encoding': 'gzip, zstd' });
    expect(get.headers).toMatchObject({ 'content-encoding': 'zstd', vary: 'accept-encoding', etag: 'W/"a"' });
    expect(zstdDecompressSync(get.body).toString()).toBe(TEXT);
    const head = await ask('/', { 'accept-encoding': 'gzip, zstd' }, 'HEAD');
    expect(head.headers).toMatchObject({ 'content-encoding': 'zstd', vary: 'accept-encoding', etag: 'W/"a"' });
    expect(head.headers['content-length']).toBeUndefined();
    const gzip = await ask('/', { 'accept-encoding': 'gzip' });
    expect(gunzipSync(gzip.body).toString()).toBe(TEXT);
    expect((await ask('/')).body.toString()).toBe(TEXT);
  });

  it('what an instance has sent so far reaches the client, compressed or not', async () => {
    await start({ compress: true });
    // Ten bytes are what gzip begins with, whatever follows.
    const { headers, body } = await ask('/trickle', { 'accept-encoding': 'gzip' }, 'GET', gateway.port, 11);
    expect(headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(body, { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toBe('first');
    const plain = await ask('/trickle', {}, 'GET', gateway.port, 1);
    expect(plain.body.toString()).toBe('first');
  });

  it('headers are added and limits hold on public listeners only', async () => {
    await start({
      headers: { 'x-own': 'gateway', 'x-frame-options': 'DENY' },
      rateLimits: [{ requestsPerSecond: 0.01, burst: 1, per: 'client', path: '/' }],
      hidden: ['/metrics'],
    });
    const internal = await gateway.listen({ name: 'internal:web', kind: 'internal', service: 'web' });
    expect((await ask('/')).headers).toMatchObject({ 'x-own': 'instance', 'x-frame-options': 'DENY' });
    expect(await ask('/')).toMatchObject({ status: 429, headers: { 'x-veza-error': 'rate-limited' } });
    const inside = await ask('/metrics', {}, 'GET', internal);
    expect(inside.status).toBe(200);
    expect(inside.headers['x-frame-options']).toBeUndefined();
  });

  it('maintenance is for users; who comes from inside reaches the instance', async () => {
    await start({ maintenance: { retryAfterSeconds: 60, html: '<p>soon' } });
    const internal = await gateway.listen({ name: 'internal:web', kind: 'internal', service: 'web' });
    expect(await ask('/')).toMatchObject({ status: 503, headers: { 'retry-after': '60' } });
    expect((await ask('/', {}, 'GET', internal)).status).toBe(200);
  });

  it('where it is redirected to HTTPS, nothing is served in the clear, and nobody is sent to a host that is not ours', async () => {
    await start({});
    const { port } = instance.address() as AddressInfo;
    const entry = testEntry({
      endpoints: { blue: [{ id: 'a', host: '127.0.0.1', port }], green: [] },
      public: { hosts: ['shop.example.com'], paths: ['/'] },
    });
    gateway.gateway.apply([{ stamp: { epoch: 1, version: 2 }, entry }]);
    const plain = await gateway.listen({ name: 'http', kind: 'public', redirectToPort: 8_443 });
    const ours = await ask('/a?b=c', { host: 'shop.example.com' }, 'POST', plain);
    expect(ours.status).toBe(308);
    expect(ours.headers['location']).toBe('https://shop.example.com:8443/a?b=c');
    for (const host of ['evil.example', '127.0.0.1', 'shop.example.com.evil.example']) {
      const other = await ask('/', { host }, 'GET', plain);
      expect(other).toMatchObject({ status: 404, headers: { 'x-veza-error': 'no-route' } });
      expect(other.headers['location']).toBeUndefined();
    }
    expect(asked).toEqual([]);
  });

  it('hosts of certificates are ours, too, and not those that a certificate is only presented to', async () => {
    const leaf = await makeLeaf(['shop.example.com'], null, { from: Date.now(), ms: 3_600_000 }, randomBytes(16));
    const certificates = new PemCertificateBook({ minVersion: 'TLSv1.2', ticketKeys: null, now: Date.now });
    const notAfter = Date.now() + 3_600_000;
    certificates.replace([{ hosts: ['shop.example.com', '*.example.org'], ...leaf, notAfter, source: 'files' }]);
    gateway = await startGateway([testEntry({ public: { paths: ['/'] } })], {}, { certificates });
    const plain = await gateway.listen({ name: 'http', kind: 'public', redirectToPort: 443 });
    for (const host of ['shop.example.com', 'a.example.org', 'SHOP.example.com.:80']) {
      expect((await ask('/', { host }, 'GET', plain)).status).toBe(308);
    }
    for (const host of ['evil.example', 'a.b.example.org', 'example.org']) {
      const other = await ask('/', { host }, 'GET', plain);
      expect(other.status).toBe(404);
      expect(other.headers['location']).toBeUndefined();
    }
  });

  it('lines of the access log say nothing of who was there', async () => {
    await start({});
    await ask('/users/anna@example.com?token=canary', {
      'user-agent': 'canary/1 (anna)',
      cookie: 'session=canary',
      referer: 'https://canary.example/',
      authorization: 'Bearer canary',
    });
    const [record] = gateway.records;
    if (record === undefined) throw new Error('no record');
    const line = new AccessLines('truncated', new DayKey(null, 0)).line(record);
    expect(line).not.toMatch(/canary|anna|127\.0\.0\.1/);
    expect(JSON.parse(line)).toMatchObject({
      path: '/users/:email',
      status: 200,
      client: '127.0.0.0/24',
      agent: 'other',
      request: record.requestId,
    });
  });
});
