import { randomBytes } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Endpoint, RouteTableEntry } from '../../core/route-table.ts';
import { totalCount } from '../../core/analysis/histogram.ts';
import type { GatewayLimits } from '../limits.ts';
import { testEntry } from '../testing-entry.ts';
import { startGateway, type TestGateway } from '../testing-gateway.ts';
import { rawInstance, until, type RawInstance } from '../testing-raw.ts';
import { PemCertificateBook } from '../tls/certificate-book.ts';
import { makeLeaf } from '../tls/x509.ts';
import { askFor, Counted, recordingInstance, type RecordingInstance } from './testing-mirror.ts';

const dead: Endpoint = { id: 'b', host: '127.0.0.1', port: 1 };
type Answer = Parameters<typeof recordingInstance>[1];

describe('mirroring', () => {
  const ends: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  async function instance(id: string, answer?: Answer): Promise<RecordingInstance> {
    const started = await recordingInstance(id, answer);
    ends.push(() => started.end());
    return started;
  }

  async function raw(onData: Parameters<typeof rawInstance>[0]): Promise<RawInstance> {
    const started = await rawInstance(onData, 'b');
    ends.push(() => started.end());
    return started;
  }

  const entryOf = (stable: Endpoint, candidate: Endpoint, changes: Changes = {}): RouteTableEntry => {
    const { proxy, ...rest } = changes;
    return testEntry({
      endpoints: { blue: [stable], green: [candidate] },
      mirror: { share: 100, shapes: false },
      ...rest,
      proxy: { ...testEntry().proxy, ...proxy } as RouteTableEntry['proxy'],
    });
  };

  async function gateway(
    entry: RouteTableEntry,
    limits: Partial<GatewayLimits> = {},
    options: Parameters<typeof startGateway>[2] = {},
  ): Promise<TestGateway & { readonly counted: Counted }> {
    const started = await startGateway([entry], limits, options);
    ends.push(async () => {
      await started.end();
      expect(started.surprises).toEqual([]);
    });
    return { ...started, counted: new Counted(started) };
  }

  it('shows the candidate what stable is asked, marked, and the client only what stable says', async () => {
    const [a, b] = [await instance('a'), await instance('b', (_, response) => void response.writeHead(500).end('no'))];
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint));
    const headers = { cookie: 'session=1', authorization: 'Bearer x', 'x-request-id': 'r1', 'x-veza-mirror': '0' };
    const answer = await askFor(port, '/orders/17?full=1', { headers });
    expect(answer).toMatchObject({ status: 200, body: 'ok' });
    await until(() => counted.mirror().pairs === 1, 'the pair');
    expect(b.asked).toHaveLength(1);
    expect(b.asked[0]).toMatchObject({ method: 'GET', url: '/orders/17?full=1' });
    const same = ['cookie', 'authorization', 'x-request-id', 'host', 'x-forwarded-for', 'x-forwarded-proto', 'via'];
    for (const name of same) expect(b.asked[0]?.headers[name]).toBe(a.asked[0]?.headers[name]);
    expect(b.asked[0]?.headers).toMatchObject({ 'x-veza-mirror': '1', 'x-veza-arm': 'candidate' });
    expect(a.asked[0]?.headers['x-veza-mirror']).toBeUndefined();
    expect(counted.mirror()).toMatchObject({
      pairs: 1,
      skipped: 0,
      stableErrors: 0,
      candidateErrors: 1,
      statusDiffers: 1,
      routes: [{ route: 'GET /orders/:id', pairs: 1, different: 1 }],
    });
    expect(counted.requests('stable')).toBe(1);
    expect(counted.requests('candidate')).toBe(0);
  });

  it('copies exactly the safe ones of 10,000 mixed requests, each once', async () => {
    const [a, b] = [await instance('a'), await instance('b')];
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint), { maxCopies: 1_000 });
    const kinds: readonly {
      readonly copied: boolean;
      readonly asking: (n: number) => Parameters<typeof askFor>[2];
      readonly query?: string;
    }[] = [
      { copied: true, asking: () => ({}) },
      { copied: true, asking: () => ({ method: 'HEAD' }) },
      { copied: true, asking: () => ({ headers: { accept: '*/*', 'if-none-match': '"x"' } }), query: '?q=a_method' },
      { copied: false, asking: () => ({ method: 'POST', body: 'x' }) },
      { copied: false, asking: () => ({ method: 'POST' }) },
      { copied: false, asking: () => ({ method: 'PUT', body: 'x' }) },
      { copied: false, asking: () => ({ method: 'PATCH', body: 'x' }) },
      { copied: false, asking: () => ({ method: 'DELETE' }) },
      { copied: false, asking: () => ({ method: 'OPTIONS' }) },
      { copied: false, asking: () => ({ method: 'PROPFIND' }) },
      { copied: false, asking: () => ({ body: 'x', headers: { 'content-length': 1 } }) },
      { copied: false, asking: () => ({ body: 'x', headers: { 'transfer-encoding': 'chunked' } }) },
      { copied: false, asking: () => ({ headers: { 'x-http-method-override': 'DELETE' } }) },
      { copied: false, asking: () => ({ headers: { 'X-HTTP-Method': 'PUT' } }) },
      { copied: false, asking: () => ({ method: 'HEAD', headers: { 'X-Method-Override': 'POST' } }) },
      { copied: false, asking: () => ({ headers: { X_HTTP_Method_Override: 'POST' } }) },
      { copied: false, asking: () => ({}), query: '?a=1&_method=delete' },
      { copied: false, asking: () => ({}), query: '?%5Fmethod=delete' },
      { copied: false, asking: () => ({ headers: { range: 'bytes=0-1' } }) },
      { copied: false, asking: () => ({ headers: { accept: 'text/event-stream' } }) },
      { copied: true, asking: () => ({ headers: { expect: '100-continue' } }) },
      { copied: false, asking: () => ({ headers: { upgrade: 'h2c' } }) },
    ];
    const random = mulberry(7);
    const sent: string[] = [];
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    let next = 0;
    const client = async (): Promise<void> => {
      while (next < 10_000) {
        const n = (next += 1);
        const kind = kinds[Math.floor(random() * kinds.length)];
        if (kind === undefined) continue;
        const asking = kind.asking(n) ?? {};
        const url = `/${n}${kind.query ?? ''}`;
        if (kind.copied) sent.push(`${asking.method ?? 'GET'} ${url}`);
        const { status } = await askFor(port, url, { ...asking, agent });
        expect(status).toBe(200);
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    agent.destroy();
    await until(() => counted.mirror().pairs + counted.mirror().skipped >= sent.length, 'all pairs');
    expect(a.asked.length).toBe(10_000);
    expect(b.asked.map(({ method, url }) => `${method} ${url}`).toSorted()).toEqual(sent.toSorted());
    expect(sent.length).toBeGreaterThan(1_000);
    expect(counted.mirror()).toMatchObject({ pairs: sent.length, skipped: 0, statusDiffers: 0, sizeDiffers: 0 });
  }, 60_000);

  it('copies the declared share', async () => {
    const [a, b] = [await instance('a'), await instance('b')];
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint, { mirror: { share: 10, shapes: false } }));
    for (let n = 0; n < 200; n += 1) await askFor(port, '/');
    await until(() => counted.mirror().pairs >= 19, 'the pairs');
    expect(Math.abs(b.asked.length - 20)).toBeLessThanOrEqual(1);
  });

  it('has only so many copies in flight, skips the rest, and blames a candidate that hangs', async () => {
    const a = await instance('a');
    const b = await instance('b', () => {});
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint, { proxy: { responseTimeoutMs: 500 } }), {
      maxCopies: 4,
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => askFor(port, '/')));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await until(() => b.asked.length === 4, 'the copies that fit');
    await until(() => counted.mirror().pairs === 4, 'their time is over');
    expect(counted.mirror()).toMatchObject({ pairs: 4, skipped: 16, candidateErrors: 4, statusDiffers: 4 });
    expect(totalCount(counted.mirror().latency.candidate)).toBe(4);
    expect(b.asked).toHaveLength(4);
  });

  it.each<[string, (socket: Socket) => unknown]>([
    ['resets', (socket) => socket.resetAndDestroy()],
    ['closes', (socket) => socket.end()],
    ['says no HTTP', (socket) => socket.write('220 smtp ready\r\n\r\n')],
    ['breaks off', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc')],
    ['switches protocols', (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n')],
  ])('blames a candidate that %s', async (_name, act) => {
    const a = await instance('a');
    const b = await raw(({ socket }) => act(socket));
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint));
    expect(await askFor(port, '/')).toMatchObject({ status: 200, body: 'ok' });
    await until(() => counted.mirror().pairs === 1, 'the pair');
    expect(counted.mirror()).toMatchObject({ candidateErrors: 1, stableErrors: 0, statusDiffers: 1, skipped: 0 });
  });

  it('blames a candidate that takes no connections, and says when both fail', async () => {
    const a = await instance('a', (_, response) => void response.writeHead(503).end());
    const { port, counted } = await gateway(entryOf(a.endpoint, dead));
    expect((await askFor(port, '/')).status).toBe(503);
    await until(() => counted.mirror().pairs === 1, 'the pair');
    expect(counted.mirror()).toMatchObject({ candidateErrors: 1, stableErrors: 1, statusDiffers: 0 });
  });

  it('finds answers of another size, and takes small differences as none', async () => {
    const a = await instance('a', (_, response) => void response.end('x'.repeat(1_000)));
    const b = await instance('b', (request, response) => {
      response.end('x'.repeat(request.url === '/same' ? 1_090 : 5_000));
    });
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint));
    await askFor(port, '/same');
    await askFor(port, '/other');
    await askFor(port, '/other', { method: 'HEAD' });
    await until(() => counted.mirror().pairs === 3, 'the pairs');
    expect(counted.mirror()).toMatchObject({ sizeDiffers: 1, statusDiffers: 0 });
    expect(counted.mirror().routes[0]).toEqual({ route: 'GET /other', pairs: 1, different: 1 });
  });

  it('compares the shapes of short JSON when that is declared', async () => {
    const json = (body: unknown, type = 'application/json') =>
      ((_: unknown, response: http.ServerResponse) => {
        response.setHeader('content-type', type);
        response.end(JSON.stringify(body));
      }) satisfies Answer;
    const long = 'x'.repeat(80_000);
    const bodies: Readonly<Record<string, readonly [unknown, unknown, string?]>> = {
      '/same': [
        { id: 1, tags: ['a'] },
        { tags: [], id: 2 },
      ],
      '/field-missing': [
        { id: 1, name: 'a' },
        { id: 1, nome: 'a' },
      ],
      '/type': [{ id: 1 }, { id: '1' }, 'application/problem+json; charset=utf-8'],
      '/long': [
        { id: 1, long },
        { id: '1', long },
      ],
      '/text': [{ id: 1 }, { id: '1' }, 'text/plain'],
    };
    const of =
      (which: 0 | 1): Answer =>
      (request, response) => {
        const body = bodies[request.url ?? ''];
        json(body?.[which], body?.[2])(request, response);
      };
    const [a, b] = [await instance('a', of(0)), await instance('b', of(1))];
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint, { mirror: { share: 100, shapes: true } }));
    for (const path of Object.keys(bodies)) await askFor(port, path);
    await until(() => counted.mirror().pairs === 5, 'the pairs');
    expect(counted.mirror()).toMatchObject({ shapeDiffers: 2, sizeDiffers: 0, statusDiffers: 0 });
    const different = counted.mirror().routes.filter((route) => route.different > 0);
    expect(different.map(({ route }) => route)).toEqual(['GET /field-missing', 'GET /type']);
  });

  it('reads no more of an answer than it compares, and gives the connection up', async () => {
    const a = await instance('a');
    let sent = 0;
    const b = await raw(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (!socket.destroyed && socket.write(piece)) sent += piece.length;
        if (!socket.destroyed) socket.once('drain', more);
      };
      more();
    });
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint));
    expect((await askFor(port, '/')).body).toBe('ok');
    await until(() => counted.mirror().pairs === 1, 'the pair');
    await until(() => b.connections.every(({ socket }) => socket.destroyed), 'the connection is gone');
    expect(counted.mirror()).toMatchObject({ statusDiffers: 0, candidateErrors: 0 });
    // What the system holds on both sides comes on top of what is read.
    expect(sent).toBeLessThan(24 * 1_048_576);
  });

  it('does not wait for the end of an event stream that nobody asked for', async () => {
    const events: Answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
    };
    const [a, b] = [await instance('a', events), await instance('b', events)];
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint));
    const request = http.get({ host: '127.0.0.1', port, path: '/', agent: false });
    request.on('error', () => {});
    ends.push(async () => void request.destroy());
    await until(() => counted.mirror().pairs === 1, 'the pair');
    expect(counted.mirror()).toMatchObject({ statusDiffers: 0, sizeDiffers: 0, candidateErrors: 0 });
  });

  it('gives a copy up when the client goes before there is anything to compare it with', async () => {
    const a = await instance('a', () => {});
    const b = await raw(() => {});
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint));
    const request = http.get({ host: '127.0.0.1', port, path: '/', agent: false });
    request.on('error', () => {});
    await until(() => b.heard().includes('\r\n\r\n'), 'the copy');
    request.destroy();
    await until(() => b.connections.every(({ socket }) => socket.destroyed), 'the copy is gone');
    expect(counted.mirror()).toMatchObject({ pairs: 0, skipped: 0 });
    expect(counted.requests('stable')).toBe(1);
  });

  it('ends copies to instances that leave the table, and all of them when nothing is mirrored any more', async () => {
    const a = await instance('a');
    const [b, c] = [await raw(() => {}), await raw(() => {})];
    const entry = entryOf(a.endpoint, b.endpoint);
    const { port, gateway: plane, counted } = await gateway(entry);
    const apply = (changed: RouteTableEntry): void =>
      plane.apply([{ stamp: { epoch: 1, version: 2 }, entry: changed }]);
    await askFor(port, '/');
    await until(() => b.heard() !== '', 'the copy');
    apply({ ...entry, endpoints: { ...entry.endpoints, green: [c.endpoint] } });
    await until(() => b.connections.every(({ socket }) => socket.destroyed), 'the copy is gone');
    await askFor(port, '/');
    await until(() => c.heard() !== '', 'the copy to the other instance');
    const { mirror: _, ...without } = { ...entry, endpoints: { ...entry.endpoints, green: [c.endpoint] } };
    apply(without);
    await until(() => c.connections.every(({ socket }) => socket.destroyed), 'the copy is gone');
    await askFor(port, '/');
    expect(c.connections).toHaveLength(1);
    expect(counted.mirror()).toMatchObject({ pairs: 0, skipped: 0 });
  });

  it('does not hold up a gateway that stops', async () => {
    const a = await instance('a');
    const b = await raw(() => {});
    const { port, gateway: plane } = await gateway(entryOf(a.endpoint, b.endpoint));
    await askFor(port, '/');
    await until(() => b.heard() !== '', 'the copy');
    const from = performance.now();
    expect(await plane.stop(5_000)).toEqual({ left: 0 });
    expect(performance.now() - from).toBeLessThan(3_000);
    await until(() => b.connections.every(({ socket }) => socket.destroyed), 'the copy is gone');
  });

  it('copies nothing that goes to the candidate anyway', async () => {
    const [a, b] = [await instance('a'), await instance('b')];
    const { port, counted } = await gateway(entryOf(a.endpoint, b.endpoint, { candidateWeight: 100 }));
    for (let n = 0; n < 20; n += 1) await askFor(port, '/');
    expect(b.asked).toHaveLength(20);
    expect(a.asked).toHaveLength(0);
    expect(counted.requests('candidate')).toBe(20);
    expect(counted.mirror().pairs).toBe(0);
  });

  it('copies requests of HTTP/2 clients', async () => {
    const [a, b] = [await instance('a'), await instance('b')];
    const leaf = await makeLeaf(['shop.example'], null, { from: Date.now(), ms: 3_600_000 }, randomBytes(16));
    const book = new PemCertificateBook({ minVersion: 'TLSv1.2', ticketKeys: null, now: Date.now });
    book.replace([{ hosts: ['shop.example'], ...leaf, notAfter: Date.now() + 3_600_000, source: 'files' }]);
    const started = await gateway(entryOf(a.endpoint, b.endpoint), {}, { certificates: book });
    const { counted } = started;
    const port = await started.listen({ name: 'https', kind: 'public-tls', http2: true, hsts: null });
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      servername: 'shop.example',
    });
    ends.push(async () => session.destroy());
    const ask = (method: string, path: string, body?: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const stream = session.request(
          { ':method': method, ':path': path, ':authority': 'shop.example' },
          { endStream: body === undefined },
        );
        let status = 0;
        stream.on('response', (headers) => (status = Number(headers[':status'])));
        stream.on('error', reject);
        stream.on('end', () => resolve(status));
        stream.resume();
        if (body !== undefined) stream.end(body);
      });
    expect(await ask('GET', '/one')).toBe(200);
    expect(await ask('POST', '/two', 'x')).toBe(200);
    expect(await ask('GET', '/three', 'x')).toBe(200);
    expect(await ask('HEAD', '/four')).toBe(200);
    await until(() => counted.mirror().pairs === 2, 'the pairs');
    expect(b.asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /one', 'HEAD /four']);
    expect(b.asked[0]?.headers['host']).toBe('shop.example');
  });

  it('on the inside refuses what a copy would change, answers what it asks, counts neither and copies neither', async () => {
    const [a, b] = [await instance('a'), await instance('b')];
    const started = await gateway(entryOf(a.endpoint, b.endpoint));
    const { counted } = started;
    const port = await started.listen({ name: 'internal:web', kind: 'internal', service: 'web' });
    const headers = { 'x-veza-mirror': '1' };
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      const refused = await askFor(port, '/', { method, headers });
      expect([refused.status, refused.headers['x-veza-error']]).toEqual([403, 'unsafe-copy']);
    }
    const overridden = await askFor(port, '/', { headers: { ...headers, 'x-http-method-override': 'DELETE' } });
    expect(overridden.status).toBe(403);
    expect(a.asked).toHaveLength(0);
    expect((await askFor(port, '/asked', { headers })).status).toBe(200);
    expect((await askFor(port, '/asked', { headers, method: 'OPTIONS' })).status).toBe(200);
    expect(a.asked.map(({ headers: got }) => got['x-veza-mirror'])).toEqual(['1', '1']);
    expect(counted.requests('stable')).toBe(0);
    // A call of a service that belongs to no copy is copied as users' requests are.
    expect((await askFor(port, '/called')).status).toBe(200);
    await until(() => counted.mirror().pairs === 1, 'the pair');
    expect(b.asked.map(({ url }) => url)).toEqual(['/called']);
    expect(counted.requests('stable')).toBe(1);
  });

  it('takes the instances of the candidate in turn, and leaves the turns of stable alone', async () => {
    const [a1, a2, b1, b2] = [await instance('a1'), await instance('a2'), await instance('b1'), await instance('b2')];
    const entry = entryOf(a1.endpoint, b1.endpoint, {
      endpoints: { blue: [a1.endpoint, a2.endpoint], green: [b1.endpoint, b2.endpoint] },
    });
    const { port } = await gateway(entry);
    for (let n = 0; n < 40; n += 1) await askFor(port, '/');
    await until(() => b1.asked.length + b2.asked.length === 40, 'the copies');
    for (const one of [a1, a2, b1, b2]) expect(Math.abs(one.asked.length - 20)).toBeLessThanOrEqual(4);
  });
});

interface Changes extends Partial<Omit<RouteTableEntry, 'public' | 'proxy'>> {
  readonly proxy?: Partial<Record<keyof RouteTableEntry['proxy'], number>>;
}

/** Mulberry32: small, and the same each time. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
