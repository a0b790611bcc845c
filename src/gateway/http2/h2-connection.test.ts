import { connect, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import { answerWithPath, startHttp2Server, type Http2Server, type Seen } from '../../../test/rig/http2-server.ts';
import { errorCode, flag, frame, frameType, get, headerBlock, RawHttp2 } from '../../../test/rig/http2-frames.ts';
import { until } from '../../../test/contract/router-instance.ts';
import type { GatewayLimits } from '../limits.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function server(answer?: (seen: Seen) => void, limits?: Partial<GatewayLimits>): Promise<Http2Server> {
  const started = await startHttp2Server(answer, limits);
  cleanups.push(() => started.close());
  return started;
}

async function raw(port: number, settings?: Buffer): Promise<RawHttp2> {
  const client = await RawHttp2.open(port, settings);
  cleanups.push(() => client.close());
  return client;
}

function session(port: number): ClientHttp2Session {
  const client = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: 'a.test' });
  client.on('error', () => {});
  cleanups.push(() => client.destroy());
  return client;
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
  readonly interim: readonly IncomingHttpHeaders[];
}

function ask(client: ClientHttp2Session, fields: Record<string, string>, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':authority': 'a.test', ...fields }, { endStream: body === undefined });
    const interim: IncomingHttpHeaders[] = [];
    const chunks: Buffer[] = [];
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on('headers', (given) => interim.push(given));
    stream.on('response', (given) => {
      headers = given;
    });
    stream.on('trailers', (given) => {
      trailers = given;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => resolve({ headers, body: Buffer.concat(chunks), trailers, interim }));
    if (body !== undefined) stream.end(body);
  });
}

describe('requests', () => {
  test('a GET is a request without a body, :authority is its host and cookie crumbs are one cookie', async () => {
    const { port, seen } = await server();
    const client = await raw(port);
    client.request(1, [...get('/x?y=1'), ['cookie', 'a=1'], ['accept', '*/*'], ['cookie', 'b=2']]);
    await until(() => client.answered(1), 'the answer');
    expect(client.bodyOf(1).toString()).toBe('/x?y=1');
    expect(seen[0]?.request).toMatchObject({
      method: 'GET',
      target: '/x?y=1',
      version: '2',
      headers: ['host', 'a.test', 'cookie', 'a=1; b=2', 'accept', '*/*'],
      names: ['host', 'cookie', 'accept'],
      body: { kind: 'none' },
    });
  });

  test('a body and its trailers come when they are asked for, and not before', async () => {
    const { port, seen } = await server(() => {});
    const client = await raw(port);
    client.request(1, [...get('/'), ['expect', '100-continue']], false);
    await until(() => seen.length === 1, 'the request');
    const one = seen[0] as Seen;
    expect(one.request).toMatchObject({ body: { kind: 'open' }, expectsContinue: true });
    client.send(
      frame(frameType.data, 0, 1, Buffer.from('ab')),
      frame(frameType.data, 0, 1, Buffer.from('cd')),
      frame(frameType.headers, flag.endHeaders | flag.endStream, 1, headerBlock([['x-sum', '42']])),
      frame(frameType.ping, 0, 0, Buffer.alloc(8)),
    );
    await until(() => client.frames.some((sent) => sent.type === frameType.ping), 'the answer to the ping');
    expect(one.body).toEqual([]);
    one.stream.resumeBody();
    await until(() => one.trailers !== null, 'the end of the body');
    expect(Buffer.concat(one.body).toString()).toBe('abcd');
    expect(one.trailers).toEqual(['x-sum', '42']);
    expect(one.stream.bodyComplete).toBe(true);
  });

  test.each([
    ['upper case in a header name', [...get(), ['X-Up', '1']]],
    ['connection', [...get(), ['connection', 'close']]],
    ['transfer-encoding', [...get(), ['transfer-encoding', 'chunked']]],
    ['upgrade', [...get(), ['upgrade', 'websocket']]],
    ['keep-alive', [...get(), ['keep-alive', 'timeout=5']]],
    ['proxy-connection', [...get(), ['proxy-connection', 'keep-alive']]],
    ['te other than trailers', [...get(), ['te', 'gzip']]],
    ['no :path', get().filter(([name]) => name !== ':path')],
    ['an empty :path', get('')],
    ['a :path without /', get('x')],
    ['an absolute :path', get('https://a.test/')],
    ['a space in :path', get('/a b')],
    ['a line break in :path', get('/a\r\nhost: b')],
    ['a fragment', get('/a#b')],
    ['* with GET', get('*')],
    ['two :path', [...get(), [':path', '/b']]],
    ['two :method', [...get(), [':method', 'POST']]],
    ['an unknown pseudo-header', [...get(), [':foo', 'b']]],
    ['a pseudo-header of answers', [...get(), [':status', '200']]],
    ['a pseudo-header behind a header', [['x-a', 'b'], ...get()]],
    ['host that differs from :authority', [...get(), ['host', 'b.test']]],
    ['user information in :authority', get('/', 'user@a.test')],
    ['a path in :authority', get('/', 'a.test/x')],
    ['a space in :authority', get('/', 'a.test b')],
    ['neither :authority nor host', get().filter(([name]) => name !== ':authority')],
    ['two hosts', [...get(), ['host', 'a.test'], ['host', 'a.test']]],
    ['a :scheme that the connection does not have', get().map(([n, v]) => [n, n === ':scheme' ? 'http' : v])],
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'a.test:443'],
      ],
    ],
    ['CONNECT of RFC 8441', [...get().slice(1), [':method', 'CONNECT'], [':protocol', 'websocket']]],
    ['a method that is no token', get().map(([n, v]) => [n, n === ':method' ? 'GE T' : v])],
    ['two content-lengths', [...get(), ['content-length', '0'], ['content-length', '0']]],
    ['a content-length that is no number', [...get(), ['content-length', '+1']]],
    ['a content-length without a body', [...get(), ['content-length', '5']]],
  ] as [string, [string, string][]][])(
    '%s is malformed: the stream is reset, the connection serves on',
    async (_, fields) => {
      const { port, seen } = await server();
      const client = await raw(port);
      client.request(1, fields);
      client.request(3, get('/fine'));
      await until(() => client.answered(3), 'the answer to the next request');
      expect(client.resetOf(1)).toBe(errorCode.protocolError);
      expect(seen.map((one) => one.request.target)).toEqual(['/fine']);
    },
  );

  test.each([
    ['a line break in a value', ['x-a', 'b\r\nx-c: d']],
    ['a NUL in a value', ['x-a', 'b\0c']],
    ['a space in a name', ['x a', 'b']],
    ['an empty name', ['', 'b']],
  ] as [string, [string, string]][])('a field with %s goes no further', async (_, field) => {
    const { port, seen } = await server();
    const client = await raw(port);
    client.request(1, [...get('/'), field, ['x-last', '1']]);
    await until(() => client.answered(1) || client.resetOf(1) !== null, 'what becomes of it');
    for (const { request } of seen) expect(request.headers).toEqual(['host', 'a.test', 'x-last', '1']);
  });

  test.each([
    ['more', 'abcdef', false],
    ['less', 'abc', true],
  ])('a body that is %s than its content-length never ends well', async (_, sent, end) => {
    const { port, seen } = await server(({ stream }) => stream.resumeBody());
    const client = await raw(port);
    client.request(1, [...get('/'), ['content-length', '5']], false);
    client.send(frame(frameType.data, end ? flag.endStream : 0, 1, Buffer.from(sent)));
    await until(() => seen[0]?.gone === true, 'gone');
    expect(seen[0]?.trailers).toBeNull();
  });

  test.each(['noError', 'cancel'] as const)('a body that the client resets with %s is not complete', async (code) => {
    const { port, seen } = await server(({ stream }) => stream.resumeBody());
    const client = await raw(port);
    client.request(1, get(), false);
    client.send(
      frame(frameType.data, 0, 1, Buffer.from('half')),
      frame(frameType.rstStream, 0, 1, Buffer.from([0, 0, 0, errorCode[code]])),
    );
    await until(() => seen[0]?.gone === true, 'gone');
    expect(seen[0]?.trailers).toBeNull();
    expect(seen[0]?.stream.bodyComplete).toBe(false);
  });

  test('a head that is too long or has too many fields resets its stream only', async () => {
    const { port } = await server(undefined, { maxHeaderBytes: 4_096, maxHeaders: 20 });
    const client = await raw(port);
    client.request(1, [...get(), ['x-long', 'x'.repeat(6_000)]]);
    client.request(3, [...get(), ...Array.from({ length: 30 }, (_, n): [string, string] => [`x-${n}`, '1'])]);
    client.request(5, get('/fine'));
    await until(() => client.answered(5), 'the answer to the next request');
    expect([client.resetOf(1), client.resetOf(3)]).toEqual([errorCode.enhanceYourCalm, errorCode.enhanceYourCalm]);
  });
});

describe('answers', () => {
  test('interim answers, repeated headers, body of unknown length and trailers', async () => {
    const { port } = await server(({ stream }) => {
      stream.inform(103, ['link', '</a.css>; rel=preload', 'link', '</b.js>; rel=preload']);
      stream.begin(
        200,
        'OK',
        ['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'X-A', '1', 'connection', 'close'],
        null,
        true,
      );
      stream.write(Buffer.from('one'));
      stream.write(Buffer.from('two'));
      stream.end(['X-Sum', '42']);
    });
    const { headers, body, trailers, interim } = await ask(session(port), {});
    expect(headers).toMatchObject({ ':status': 200, 'set-cookie': ['a=1', 'b=2'], 'x-a': '1' });
    expect(headers).toHaveProperty('date');
    expect(headers).not.toHaveProperty('connection');
    expect(interim[0]).toMatchObject({ ':status': 103, link: '</a.css>; rel=preload, </b.js>; rel=preload' });
    expect(body.toString()).toBe('onetwo');
    expect(trailers).toMatchObject({ 'x-sum': '42' });
  });

  test('HEAD has the length and no body; the date of the instance is kept', async () => {
    const { port } = await server(({ stream }) => {
      stream.begin(200, '', ['date', 'Mon, 01 Jan 2024 00:00:00 GMT'], 1_000, false);
      stream.end(null);
    });
    const { headers, body } = await ask(session(port), { ':method': 'HEAD' });
    expect(headers).toMatchObject({ 'content-length': '1000', date: 'Mon, 01 Jan 2024 00:00:00 GMT' });
    expect(body.length).toBe(0);
  });

  test('an answer that is cut is reset with INTERNAL_ERROR, never ended', async () => {
    const { port, seen } = await server(({ stream }) => {
      stream.begin(200, '', [], null, true);
      stream.write(Buffer.from('half'));
      setImmediate(() => stream.cut());
    });
    const client = await raw(port);
    client.request(1, get());
    await until(() => client.resetOf(1) !== null, 'the reset');
    expect(client.resetOf(1)).toBe(errorCode.internalError);
    expect(client.answered(1)).toBe(false);
    expect(seen[0]?.gone).toBe(false);
  });

  test('an answer before the end of an upload is seen, and the upload is told to stop without an error', async () => {
    const { port, seen } = await server(({ stream }) => {
      stream.discardBody();
      stream.begin(413, '', [], 3, true);
      stream.write(Buffer.from('big'));
      stream.end(null);
    });
    const client = await raw(port);
    client.request(1, [...get(), ['content-length', '1000000']], false);
    client.send(frame(frameType.data, 0, 1, Buffer.alloc(16_384)));
    await until(() => client.resetOf(1) !== null, 'the reset');
    expect(client.resetOf(1)).toBe(errorCode.noError);
    expect(client.bodyOf(1).toString()).toBe('big');
    expect(seen[0]?.gone).toBe(false);
  });

  test('a client that goes away is told once', async () => {
    const { port, seen } = await server(() => {});
    const client = await raw(port);
    client.request(1, get());
    await until(() => seen.length === 1, 'the request');
    client.close();
    await until(() => seen[0]?.gone === true, 'gone');
  });

  test('the bytes of a write are the caller’s again at once', async () => {
    const { port } = await server(({ stream }) => {
      const buffer = Buffer.from('first');
      stream.begin(200, '', [], null, true);
      stream.write(buffer);
      buffer.fill('x');
      stream.end(null);
    });
    expect((await ask(session(port), {})).body.toString()).toBe('first');
  });

  test('a download of 64 MB and an upload of 64 MB wait for the slower side', async () => {
    const chunk = Buffer.alloc(65_536, 'x');
    let most = 0;
    const { port } = await server((one) => {
      const { stream } = one;
      if (one.request.method === 'POST') {
        let received = 0;
        stream.events.bodyData = (bytes) => {
          received += bytes.length;
          stream.pauseBody();
          setImmediate(() => stream.resumeBody());
        };
        stream.events.bodyEnd = () => {
          const text = Buffer.from(String(received));
          stream.begin(200, '', [], text.length, true);
          stream.write(text);
          stream.end(null);
        };
        stream.resumeBody();
        return;
      }
      let left = 1_024;
      stream.begin(200, '', [], left * chunk.length, true);
      stream.events.drained = () => {
        while (left > 0) {
          left -= 1;
          const goOn = stream.write(chunk);
          most = Math.max(most, stream.pendingBytes);
          if (!goOn) break;
        }
        if (left === 0) stream.end(null);
      };
      stream.events.drained();
    });
    const client = session(port);
    expect((await ask(client, {})).body.length).toBe(64 * 1_048_576);
    expect(most).toBeLessThanOrEqual(131_072);
    const upload = await ask(client, { ':method': 'POST' }, Buffer.alloc(64 * 1_048_576));
    expect(upload.body.toString()).toBe(String(64 * 1_048_576));
  });
});

describe('the end of a connection', () => {
  test('after GOAWAY a request that was on its way is served, the running one is finished, then the connection ends', async () => {
    const held: Seen[] = [];
    const started = await server((one) => void held.push(one));
    const client = await raw(started.port);
    client.request(1, get('/slow'));
    await until(() => held.length === 1, 'the request');
    started.connections[0]?.goAway();
    client.request(3, get('/on-its-way'));
    await until(() => held.length === 2, 'the second request');
    const ping = (): { payload: Buffer } | undefined =>
      client.frames.find((sent) => sent.type === frameType.ping && (sent.flags & flag.ack) === 0);
    await until(() => ping() !== undefined, 'the ping');
    client.send(frame(frameType.ping, flag.ack, 0, ping()?.payload));
    const goaways = (): number[] =>
      client.frames.filter((sent) => sent.type === frameType.goaway).map((sent) => sent.payload.readUInt32BE(0));
    await until(() => goaways().length === 2, 'the last GOAWAY');
    expect(goaways()).toEqual([2 ** 31 - 1, 3]);
    for (const one of held) answerWithPath(one);
    await until(() => client.answered(1) && client.answered(3), 'both answers');
    await until(() => client.closed && started.sockets() === 0, 'the end of the connection');
    expect(client.goaway).toBe(errorCode.noError);
  });

  test('closeAfter ends the connection behind the answer', async () => {
    const { port } = await server((one) => {
      one.stream.closeAfter();
      answerWithPath(one);
    });
    const client = session(port);
    const closed = new Promise((resolve) => client.once('close', resolve));
    expect((await ask(client, { ':path': '/last' })).body.toString()).toBe('/last');
    await closed;
  });

  test.each([
    ['says nothing', () => {}],
    [
      'stops in its first header block',
      (client: RawHttp2) => void client.send(frame(frameType.headers, 0, 1, headerBlock(get()))),
    ],
  ])('a client that %s is let go', async (_, act) => {
    const started = await server(undefined, { headersTimeoutMs: 100 });
    const client = await raw(started.port);
    act(client);
    await until(() => client.closed && started.sockets() === 0, 'the end of the connection');
  });

  test('an idle connection is kept for keepAliveMs, with GOAWAY at its end', async () => {
    const started = await server(undefined, { keepAliveMs: 100 });
    const client = session(started.port);
    const said = new Promise<number>((resolve) => client.once('goaway', resolve));
    await ask(client, {});
    expect(await said).toBe(constants.NGHTTP2_NO_ERROR);
    await until(() => started.sockets() === 0, 'the end of the connection');
  });
});
