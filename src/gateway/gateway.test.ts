import type net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Endpoint, RouteTableEntry } from '../core/route-table.ts';
import type { GatewayLimits } from './limits.ts';
import { testEntry } from './testing-entry.ts';
import { startGateway, type TestGateway } from './testing-gateway.ts';
import { always, plain, rawClient, rawInstance, until, type RawClient, type RawInstance } from './testing-raw.ts';

const request = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
const count = (text: string, part: string): number => text.split(part).length - 1;

describe('the request path of HTTP/1.1', () => {
  const ends: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  async function instance(...args: Parameters<typeof rawInstance>): Promise<RawInstance> {
    const started = await rawInstance(...args);
    ends.push(() => started.end());
    return started;
  }

  async function gatewayTo(
    endpoints: readonly Endpoint[],
    changes: { readonly limits?: Partial<GatewayLimits>; readonly proxy?: Partial<Record<string, number>> } = {},
    entry: Partial<RouteTableEntry> = {},
  ): Promise<TestGateway> {
    const proxy = { ...testEntry().proxy, ...changes.proxy } as RouteTableEntry['proxy'];
    const started = await startGateway(
      [testEntry({ endpoints: { blue: endpoints, green: [] }, proxy, ...entry })],
      changes.limits,
    );
    ends.push(async () => {
      await started.end();
      expect(started.surprises).toEqual([]);
    });
    return started;
  }

  async function client(port: number): Promise<RawClient> {
    const opened = await rawClient(port);
    ends.push(async () => void opened.socket.destroy());
    return opened;
  }

  it('says what happened last when every instance takes the request and breaks off', async () => {
    const broken = await Promise.all([1, 2].map(() => instance((connection) => connection.socket.destroy())));
    const { port } = await gatewayTo(broken.map(({ endpoint }) => endpoint));
    const one = await client(port);
    one.send(request('/'));
    await until(() => one.heard().includes('\r\n\r\n'), 'an answer');
    expect(one.heard()).toMatch(/^HTTP\/1\.1 502 .*\r\n/);
    expect(one.heard()).toContain('x-veza-error: instance-failed');
  });

  it('answers what a client sends ahead in order, one at a time', async () => {
    let most = 0;
    const a = await instance((connection) => {
      const asked = [...connection.heard.matchAll(/GET \/(\d)/g)];
      most = Math.max(most, asked.length);
      connection.heard = '';
      for (const [, n] of asked) connection.socket.write(plain(`answer ${n}`));
    });
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(request('/1') + request('/2') + request('/3'));
    await until(() => one.heard().includes('answer 3'), 'three answers');
    expect([...one.heard().matchAll(/answer \d/g)].map(String)).toEqual(['answer 1', 'answer 2', 'answer 3']);
    expect(most).toBe(1);
  });

  it('reads a head and a body that come byte by byte', async () => {
    const a = await instance((connection) => {
      if (connection.heard.endsWith('hello')) connection.socket.write(plain('done'));
    });
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    for (const byte of 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Kept: 1\r\n\r\nhello') {
      one.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => one.heard().endsWith('done'), 'an answer');
    expect(a.heard()).toMatch(/^POST \/x HTTP\/1\.1\r\n/);
    expect(a.heard()).toContain('X-Kept: 1\r\n');
  });

  it('reads an answer that comes byte by byte', async () => {
    const a = await instance(async ({ socket }) => {
      const answer =
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nx-sum: 6\r\n\r\n';
      for (const byte of answer) {
        socket.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(request('/'));
    await until(() => one.heard().endsWith('x-sum: 6\r\n\r\n'), 'the trailers');
    expect(one.heard().replaceAll(/\r\n[0-9a-f]+\r\n/g, '')).toContain('hello');
  });

  it('sends the head of an upload on at once, chunks without extensions, and trailers', async () => {
    const a = await instance((connection) => {
      if (connection.heard.endsWith('\r\nx-sum: 42\r\n\r\n')) connection.socket.write(plain('ok'));
    });
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send('POST /up HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    await until(() => a.heard().includes('\r\n\r\n'), 'the head before any body');
    one.send('3;name=value\r\nabc\r\n');
    await until(() => a.heard().includes('3\r\nabc\r\n'), 'the chunk');
    one.send('0\r\nx-sum: 42\r\nx-veza-arm: candidate\r\n\r\n');
    await until(() => one.heard().endsWith('ok'), 'an answer');
    expect(a.heard()).not.toContain('name=value');
    expect(a.heard()).not.toContain('content-length');
    expect(a.heard()).not.toContain('candidate');
  });

  it('writes an answer of unknown length for HTTP/1.0 without chunks and closes behind it', async () => {
    const a = await instance(always('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'));
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send('GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n');
    await one.closed;
    expect(one.heard()).toMatch(/connection: close\r\n\r\nhello$/);
    expect(one.heard()).not.toContain('transfer-encoding');
    expect(a.heard()).toContain('via: 1.0 veza');
  });

  it('keeps a connection of HTTP/1.0 only when asked to', async () => {
    const a = await instance(always(plain('hello')));
    const { port } = await gatewayTo([a.endpoint]);
    const [kept, not] = [await client(port), await client(port)];
    not.send('GET / HTTP/1.0\r\n\r\n');
    await not.closed;
    kept.send('GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n');
    await until(() => kept.heard().endsWith('hello'), 'an answer');
    expect(kept.heard()).toContain('connection: keep-alive\r\n');
    kept.send('GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n');
    await until(() => count(kept.heard(), 'hello') === 2, 'a second answer');
  });

  it.each([
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na', 400],
    ['a bare LF', 'GET / HTTP/1.1\nhost: x\n\n', 400],
    ['a line folded', 'GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n', 400],
    ['CONNECT', 'CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n', 501],
    ['TRACE', 'TRACE / HTTP/1.1\r\nhost: x\r\n\r\n', 501],
    ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['a bad chunk', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', 400],
  ])('refuses %s and passes nothing of it on', async (_name, bytes, status) => {
    const a = await instance(always(plain('never')));
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(bytes);
    await until(() => one.heard().includes('\r\n\r\n'), 'an answer');
    expect(one.heard()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(one.heard()).toContain('content-type: application/problem+json');
    if (!bytes.startsWith('TRACE') && !bytes.startsWith('OPTIONS')) await one.closed;
    expect(a.heard()).toBe('');
  });

  it('lets a client that is refused in the middle of its upload see why', async () => {
    const a = await instance(() => {});
    const { port } = await gatewayTo([a.endpoint], { proxy: { maxBodyBytes: 1_000 } });
    const one = await client(port);
    one.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n');
    const piece = 'x'.repeat(40_000);
    for (let n = 0; n < 10; n += 1) one.send(piece);
    await until(() => one.heard().includes('body-too-large'), 'an answer');
    // The rest was dropped, and the connection goes on.
    one.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n');
    await until(() => count(one.heard(), 'HTTP/1.1 413 ') === 2, 'a second answer');
  });

  it('keeps the connection in step over HEAD, 204, 304 and answers of length 0', async () => {
    const a = await instance((connection) => {
      const [line = ''] = connection.heard.split('\r\n');
      connection.heard = '';
      const answers: Record<string, string> = {
        '/head': 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n',
        '/204': 'HTTP/1.1 204 No Content\r\n\r\n',
        '/304': 'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n',
        '/0': plain(''),
        '/end': plain('end'),
      };
      connection.socket.write(answers[line.split(' ')[1] ?? ''] ?? '');
    });
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(
      `HEAD /head HTTP/1.1\r\nhost: x\r\n\r\n${request('/204')}${request('/304')}${request('/0')}${request('/end')}`,
    );
    await until(() => one.heard().endsWith('\r\n\r\nend'), 'the last answer');
    expect(count(one.heard(), 'HTTP/1.1 ')).toBe(5);
    expect(one.heard()).toMatch(/content-length: 100\r\n\r\nHTTP\/1\.1 204 /);
    expect(a.connections).toHaveLength(1);
  });

  it('costs a bounded number of bytes for a client that does not read', async () => {
    let sent = 0;
    const piece = Buffer.alloc(65_536, 'x');
    const a = await instance(({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n');
      const more = (): void => {
        while (sent < 2_147_483_648 && socket.writable) {
          sent += piece.length;
          if (!socket.write(piece)) {
            socket.once('drain', more);
            return;
          }
        }
      };
      more();
    });
    const { port, gateway } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.socket.pause();
    one.send(request('/'));
    // Until the buffers of the system are full on both sides: nothing moves any more.
    let before = -1;
    for (let still = 0; still < 20;) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      still = sent === before && sent > 0 ? still + 1 : 0;
      before = sent;
    }
    expect(gateway.load().inFlight).toBe(1);
    expect(gateway.bufferedBytes()).toBeLessThan(400_000);
    one.socket.destroy();
  });

  it('gives no more answers to a client that asks on and on and takes none', async () => {
    const a = await instance(always(plain('x'.repeat(20_000))));
    const { port, gateway } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.socket.pause();
    let before = -1;
    for (let still = 0; still < 20;) {
      one.send(request('/').repeat(20));
      await new Promise((resolve) => setTimeout(resolve, 10));
      const now = count(a.heard(), 'GET');
      still = now === before && now > 0 ? still + 1 : 0;
      before = now;
    }
    expect(gateway.bufferedBytes()).toBeLessThan(400_000);
    let sent = 0;
    one.socket.on('data', (chunk: Buffer) => (sent += chunk.length));
    one.socket.resume();
    await until(() => count(a.heard(), 'GET') > before, 'it goes on once they are taken');
    expect(sent).toBeGreaterThan(0);
  });

  it('uses a connection again that had to wait for its client', async () => {
    const a = await instance(always(plain('x'.repeat(3_000_000))));
    const { port } = await gatewayTo([a.endpoint]);
    for (let n = 0; n < 3; n += 1) {
      const one = await client(port);
      one.socket.pause();
      one.send(request('/'));
      await until(() => count(a.heard(), 'GET') === n + 1, 'it is asked');
      await new Promise((resolve) => setTimeout(resolve, 20));
      one.socket.resume();
      await until(() => one.heard().length > 3_000_000, 'the whole answer');
    }
    expect(a.connections.length).toBe(1);
  });

  it('asks another instance when one breaks off before it answers, but only what may be repeated', async () => {
    const dying = await instance(({ socket }) => socket.destroy(), 'dying');
    const good = await instance(always(plain('good')), 'good');
    const { port } = await gatewayTo([dying.endpoint, good.endpoint]);
    const one = await client(port);
    for (let n = 1; n <= 4; n += 1) {
      one.send(request('/'));
      await until(() => count(one.heard(), 'good') === n, `answer ${n}`);
    }
    const posts = await client(port);
    for (let n = 1; n <= 2; n += 1) {
      posts.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
      await until(() => count(posts.heard(), 'HTTP/1.1 ') === n, `answer ${n}`);
    }
    expect(count(dying.heard(), 'POST') + count(good.heard(), 'POST')).toBe(2);
    expect(count(posts.heard(), '502 Bad Gateway')).toBe(count(dying.heard(), 'POST'));
  });

  it('sends no more requests a second time than the budget allows', async () => {
    const dying = await instance(({ socket }) => socket.destroy(), 'dying');
    const good = await instance(always(plain('good')), 'good');
    const { port } = await gatewayTo([dying.endpoint, good.endpoint], {
      limits: { retryRatio: 0, minRetriesPerSecond: 0 },
    });
    const one = await client(port);
    for (let n = 1; n <= 4; n += 1) {
      one.send(request('/'));
      await until(() => count(one.heard(), 'HTTP/1.1 ') === n, `answer ${n}`);
    }
    expect(count(one.heard(), 'x-veza-error: instance-failed')).toBe(2);
  });

  it('leaves an instance alone that fails again and again', async () => {
    const dying = await instance(({ socket }) => socket.destroy(), 'dying');
    const good = await instance(always(plain('good')), 'good');
    const { port } = await gatewayTo([dying.endpoint, good.endpoint]);
    const one = await client(port);
    for (let n = 1; n <= 40; n += 1) {
      one.send(request('/'));
      await until(() => count(one.heard(), 'good') === n, `answer ${n}`);
    }
    expect(dying.connections.length).toBe(5);
  });

  it('lets requests wait for room, serves them, and refuses those that wait too long', async () => {
    let hold = true;
    const held: net.Socket[] = [];
    const a = await instance(({ socket }) => {
      if (hold) held.push(socket);
      else socket.write(plain('done'));
    });
    const { port, gateway } = await gatewayTo([a.endpoint], {
      limits: { maxInFlight: 1, maxQueued: 1, maxQueueMs: 60_000 },
    });
    const [first, second, third] = [await client(port), await client(port), await client(port)];
    first.send(request('/'));
    await until(() => held.length === 1, 'the first is held');
    second.send(request('/'));
    await until(() => gateway.load().queued === 1, 'the second waits');
    third.send(request('/'));
    await until(() => third.heard().includes('\r\n\r\n'), 'the third is refused');
    expect(third.heard()).toContain('x-veza-error: overloaded');
    expect(third.heard()).toContain('retry-after: 1');
    hold = false;
    held[0]?.write(plain('done'));
    await until(() => second.heard().endsWith('done'), 'the second is served');
    expect(gateway.load().queued).toBe(0);
  });

  it('forgets a waiting request whose client went away', async () => {
    const held: net.Socket[] = [];
    const a = await instance(({ socket }) => held.push(socket));
    const { port, gateway } = await gatewayTo([a.endpoint], { limits: { maxInFlight: 1 } });
    const [first, second] = [await client(port), await client(port)];
    first.send(request('/'));
    await until(() => held.length === 1, 'the first is held');
    second.send(request('/'));
    await until(() => gateway.load().queued === 1, 'the second waits');
    second.socket.destroy();
    await until(() => gateway.load().queued === 0, 'it is forgotten');
    held[0]?.write(plain('done'));
    await until(() => first.heard().endsWith('done'), 'the first is served');
  });

  it.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['both lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    [
      'a protocol that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    ],
  ])('says so when an instance answers with %s', async (_name, answer) => {
    const a = await instance(always(answer));
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(request('/'));
    await until(() => one.heard().includes('\r\n\r\n'), 'an answer');
    expect(one.heard()).toMatch(/^HTTP\/1\.1 502 /);
    expect(one.heard()).toContain('x-veza-error: instance-protocol');
  });

  it('never takes bytes that nobody asked for as the answer to the next request', async () => {
    const a = await instance((connection, number) => {
      connection.socket.write(number === 1 ? plain('one') + plain('forged') : plain('two'));
    });
    const { port } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(request('/'));
    await until(() => one.heard().endsWith('one'), 'the first answer');
    one.send(request('/'));
    await until(() => one.heard().endsWith('two'), 'the second answer');
    expect(one.heard()).not.toContain('forged');
  });

  it('passes what comes right behind an upgrade on both sides', async () => {
    const a = await instance((connection) => {
      if (!connection.heard.includes('\r\n\r\n') || connection.heard.includes('\r\n\r\nping')) return;
      connection.socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfirst words',
      );
    });
    const { port, gateway } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nping');
    await until(() => a.heard().endsWith('\r\n\r\nping'), 'the client is heard');
    await until(() => one.heard().endsWith('first words'), 'the instance is heard');
    expect(gateway.load()).toMatchObject({ streams: 1, inFlight: 0 });
    a.connections[0]?.socket.end();
    await one.closed;
    await until(() => gateway.load().streams === 0, 'the stream has ended');
  });

  it('answers for an instance that hangs at the end of a drain', async () => {
    const a = await instance(() => {});
    const { port, gateway } = await gatewayTo([a.endpoint], { proxy: { responseTimeoutMs: 60_000 } });
    const one = await client(port);
    one.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
    await until(() => a.heard() !== '', 'it is in flight');
    gateway.apply([]);
    const left = await gateway.drain('web', new Set(['a']), 10, AbortSignal.timeout(20_000));
    expect(left).toEqual({ inFlight: 1, streams: 0 });
    await until(() => one.heard().includes('\r\n\r\n'), 'an answer');
    expect(one.heard()).toMatch(/^HTTP\/1\.1 504 /);
  });

  it('ends each kept connection behind its next answer once it is retired', async () => {
    const a = await instance(always(plain('hello')));
    const { port, gateway } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(request('/'));
    await until(() => one.heard().endsWith('hello'), 'an answer');
    const retired = gateway.retire(60_000);
    await expect(rawClient(port)).rejects.toThrow(/ECONNREFUSED/);
    one.send(request('/'));
    await one.closed;
    expect(count(one.heard(), 'hello')).toBe(2);
    expect(one.heard()).toContain('connection: close');
    await retired;
  });

  it('closes connections above its limit with an answer', async () => {
    const a = await instance(always(plain('hello')));
    const { port } = await gatewayTo([a.endpoint], { limits: { maxConnections: 1 } });
    const one = await client(port);
    one.send(request('/'));
    await until(() => one.heard().endsWith('hello'), 'an answer');
    const two = await client(port);
    await two.closed;
    expect(two.heard()).toMatch(/^HTTP\/1\.1 503 /);
    one.send(request('/'));
    await until(() => count(one.heard(), 'hello') === 2, 'the first goes on');
  });

  it('does not wait for a body that trickles', async () => {
    const a = await instance(() => {});
    const { port } = await gatewayTo([a.endpoint], { limits: { minBodyBytesPerSecond: 1_000, bodyWindowMs: 300 } });
    const one = await client(port);
    one.send('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n');
    const timer = setInterval(() => one.send('x'), 50);
    await until(() => one.heard().includes('\r\n\r\n'), 'an answer');
    clearInterval(timer);
    expect(one.heard()).toContain('x-veza-error: request-timeout');
  });

  it('writes one line of the access log for each request that ended', async () => {
    const a = await instance(always(plain('hello')));
    const { port, records } = await gatewayTo([a.endpoint]);
    const one = await client(port);
    one.send(request('/x?secret=1') + request('/y'));
    await until(() => count(one.heard(), 'hello') === 2, 'both answers');
    expect(records.map(({ path, status, bytesOut }) => ({ path, status, bytesOut }))).toEqual([
      { path: '/x', status: 200, bytesOut: 5 },
      { path: '/y', status: 200, bytesOut: 5 },
    ]);
  });
});
