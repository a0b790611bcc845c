import { randomBytes } from 'node:crypto';
import http2 from 'node:http2';
import https from 'node:https';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainEdge } from '../core/route-table.ts';
import { PemCertificateBook } from './tls/certificate-book.ts';
import { makeLeaf } from './tls/x509.ts';
import { testEntry } from './testing-entry.ts';
import { startGateway, type TestGateway } from './testing-gateway.ts';
import { always, rawClient, rawInstance, until, type RawInstance } from './testing-raw.ts';

describe('what is public', () => {
  let instance: RawInstance;
  let started: TestGateway;
  let tlsPort: number;
  let redirectPort: number;

  beforeEach(async () => {
    instance = await rawInstance(
      always(
        `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5000\r\nx-from: instance\r\n\r\n${'hello'.repeat(1000)}`,
      ),
    );
    const leaf = await makeLeaf(['shop.example'], null, { from: Date.now(), ms: 3_600_000 }, randomBytes(16));
    const book = new PemCertificateBook({ minVersion: 'TLSv1.2', ticketKeys: null, now: Date.now });
    book.replace([{ hosts: ['shop.example'], ...leaf, notAfter: Date.now() + 3_600_000, source: 'files' }]);
    const edge = {
      ...plainEdge,
      compress: true,
      headers: { 'x-frame-options': 'DENY' },
      hidden: ['/metrics'],
      rateLimits: [{ requestsPerSecond: 0.001, burst: 2, per: 'client' as const, path: '/limited' }],
    };
    started = await startGateway(
      [
        testEntry({
          endpoints: { blue: [instance.endpoint], green: [] },
          edge,
          public: { hosts: ['shop.example'], paths: ['/'] },
        }),
      ],
      {},
      { certificates: book },
    );
    tlsPort = await started.listen({ name: 'https', kind: 'public-tls', http2: true, hsts: 'max-age=60' });
    redirectPort = await started.listen({ name: 'http', kind: 'public', redirectToPort: 443 });
  });

  afterEach(async () => {
    await started.end();
    await instance.end();
    expect(started.surprises).toEqual([]);
  });

  function get(path: string, headers: Record<string, string> = {}) {
    return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
      const request = https.get(
        {
          port: tlsPort,
          host: '127.0.0.1',
          servername: 'shop.example',
          rejectUnauthorized: false,
          path,
          agent: false,
          headers: { host: 'shop.example', ...headers },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
          );
        },
      );
      request.on('error', reject);
    });
  }

  it('passes HTTP/1.1 over TLS on, says so to the instance, and adds what is declared', async () => {
    const answer = await get('/x');
    expect(answer.status).toBe(200);
    expect(answer.body).toHaveLength(5_000);
    expect(answer.headers).toMatchObject({
      'x-from': 'instance',
      'x-frame-options': 'DENY',
      'strict-transport-security': 'max-age=60',
    });
    expect(instance.heard()).toContain('x-forwarded-proto: https');
    expect(started.records[0]).toMatchObject({ status: 200, tls: 'TLSv1.3', protocol: 'HTTP/1.1', bytesOut: 5_000 });
  });

  it('compresses for clients that can read it', async () => {
    const answer = await get('/x', { 'accept-encoding': 'gzip' });
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(answer.body)).toHaveLength(5_000);
    expect(started.gateway.load().inFlight).toBe(0);
  });

  it('answers itself for what is hidden and for too many requests', async () => {
    expect((await get('/metrics')).status).toBe(404);
    const statuses = [];
    for (let n = 0; n < 3; n += 1) statuses.push((await get('/limited')).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect(instance.heard()).not.toContain('/metrics');
  });

  it('passes many requests of one HTTP/2 connection on, with bodies', async () => {
    const session = http2.connect(`https://127.0.0.1:${tlsPort}`, {
      servername: 'shop.example',
      rejectUnauthorized: false,
    });
    const ask = (path: string) =>
      new Promise<number>((resolve, reject) => {
        const stream = session.request({ ':path': path, ':authority': 'shop.example' });
        let bytes = 0;
        stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
        stream.on('end', () => resolve(bytes));
        stream.on('error', reject);
      });
    expect(await Promise.all(['/1', '/2', '/3', '/4'].map(ask))).toEqual([5_000, 5_000, 5_000, 5_000]);
    expect(instance.heard()).toContain('via: 2 veza');
    expect(started.records[0]).toMatchObject({ status: 200, tls: 'TLSv1.3', protocol: 'HTTP/2' });
    session.close();
  });

  it('sends users of the plain listener to TLS, and answers challenges there', async () => {
    started.gateway.setChallenges({ abcdefgh: 'abcdefgh.key' });
    const one = await rawClient(redirectPort);
    one.send('GET /a?b=c HTTP/1.1\r\nhost: shop.example\r\n\r\n');
    await until(() => one.heard().includes('\r\n\r\n'), 'an answer');
    expect(one.heard()).toMatch(/^HTTP\/1\.1 308 /);
    expect(one.heard()).toContain('location: https://shop.example/a?b=c\r\n');
    one.send('GET /.well-known/acme-challenge/abcdefgh HTTP/1.1\r\nhost: shop.example\r\n\r\n');
    await until(() => one.heard().endsWith('abcdefgh.key'), 'the challenge is answered');
    one.send('GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n');
    await until(() => one.heard().split('HTTP/1.1 ').length === 4, 'a third answer');
    // No redirect to hosts of others, and nothing in the clear.
    expect(one.heard()).toContain('HTTP/1.1 404 ');
    expect(one.heard()).not.toContain('evil');
    one.socket.destroy();
  });
});
