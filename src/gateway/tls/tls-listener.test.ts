import { randomBytes } from 'node:crypto';
import { connect as connectTcp, createServer, type AddressInfo, type Server } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../../../test/contract/router-instance.ts';
import type { CertificateBundle } from './certificate-bundle.ts';
import { PemCertificateBook } from './certificate-book.ts';
import { acceptTls, type TlsAcceptance } from './tls-listener.ts';
import { makeLeaf } from './x509.ts';

const dayMs = 86_400_000;
const cleanups: (() => unknown)[] = [];
let a: CertificateBundle;
let b: CertificateBundle;

async function bundle(hosts: readonly string[], ms = dayMs): Promise<CertificateBundle> {
  const pair = await makeLeaf(hosts, null, { from: Date.now(), ms }, randomBytes(16));
  return { ...pair, hosts, notAfter: Date.now() + ms, source: 'development' };
}

beforeAll(async () => {
  [a, b] = [await bundle(['a.test']), await bundle(['*.b.test'])];
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Listening {
  readonly port: number;
  readonly server: Server;
  readonly book: PemCertificateBook;
  readonly accepted: { readonly socket: TLSSocket; readonly protocol: string }[];
  readonly accepting: TlsAcceptance;
}

async function listen(
  bundles: readonly CertificateBundle[],
  options: {
    minVersion?: 'TLSv1.2' | 'TLSv1.3';
    http2?: boolean;
    timeoutMs?: number;
    ticketKeys?: Buffer;
    most?: number;
  } = {},
): Promise<Listening> {
  const { minVersion = 'TLSv1.2', http2 = true, timeoutMs = 5_000, ticketKeys = null, most = Infinity } = options;
  const book = new PemCertificateBook({ minVersion, ticketKeys, now: Date.now });
  book.replace(bundles);
  const server = createServer();
  const accepted: Listening['accepted'] = [];
  const accepting: TlsAcceptance = acceptTls(
    server,
    { book, minVersion, http2, handshakeTimeoutMs: timeoutMs, mayAccept: () => accepting.handshakes < most },
    (socket, protocol) => {
      accepted.push({ socket, protocol });
      socket.on('data', (bytes: Buffer) => socket.write(bytes));
    },
  );
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  cleanups.push(() => {
    for (const { socket } of accepted) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, server, book, accepted, accepting };
}

/** A client after its handshake. */
async function client(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  cleanups.push(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed within the handshake')));
  });
  socket.on('error', () => {});
  return socket;
}

const namesOf = (socket: TLSSocket): string | undefined => socket.getPeerCertificate().subjectaltname;

async function echoes(socket: TLSSocket, text: string): Promise<boolean> {
  socket.write(text);
  const bytes = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  return bytes.toString() === text;
}

test.each([
  ['a.test', 'DNS:a.test'],
  ['A.Test', 'DNS:a.test'],
  ['x.b.test', 'DNS:*.b.test'],
  ['y.x.b.test', 'DNS:a.test'],
  ['b.test', 'DNS:a.test'],
  ['unknown.test', 'DNS:a.test'],
  ['', 'DNS:a.test'],
])('a client that asks for "%s" is shown %s', async (servername, names) => {
  const { port } = await listen([a, b]);
  expect(namesOf(await client(port, { servername }))).toBe(names);
});

test('new handshakes get the new certificate; connections that are there go on', async () => {
  const { port, book } = await listen([a]);
  const before = await client(port, { servername: 'a.test' });
  const replaced = await bundle(['a.test', 'www.a.test']);
  book.replace([replaced]);
  expect(namesOf(await client(port, { servername: 'a.test' }))).toBe('DNS:a.test, DNS:www.a.test');
  expect(await echoes(before, 'still here')).toBe(true);
});

test('bundles of which one is broken replace nothing', async () => {
  const { port, book } = await listen([a]);
  expect(() => book.replace([b, { ...a, key: b.key }])).toThrow(/key values mismatch/);
  expect(namesOf(await client(port, { servername: 'a.test' }))).toBe('DNS:a.test');
});

test('of two for one name the one that has not expired is shown, and the real one before a placeholder', async () => {
  const expired = { ...(await bundle(['a.test', 'old.test'])), notAfter: Date.now() - 1 };
  const placeholder = { ...(await bundle(['a.test', 'placeholder.test'])), source: 'placeholder' as const };
  const { port, book } = await listen([expired, placeholder]);
  expect(namesOf(await client(port, { servername: 'a.test' }))).toContain('placeholder.test');
  book.replace([expired, placeholder, a]);
  expect(namesOf(await client(port, { servername: 'a.test' }))).toBe('DNS:a.test');
  book.replace([expired]);
  expect(namesOf(await client(port, { servername: 'a.test' }))).toContain('old.test');
});

test.each([
  [true, ['h2', 'http/1.1'], 'h2'],
  [true, ['http/1.1'], 'http/1.1'],
  [true, undefined, 'http/1.1'],
  [false, ['h2', 'http/1.1'], 'http/1.1'],
])('with HTTP/2 offered: %s, a client that speaks %s gets %s', async (http2, protocols, expected) => {
  const { port, accepted } = await listen([a], { http2 });
  await client(port, protocols === undefined ? {} : { ALPNProtocols: protocols });
  await until(() => accepted.length === 1, 'the connection');
  expect(accepted[0]?.protocol).toBe(expected);
});

test('a client that speaks nothing that we do is refused', async () => {
  const { port, accepted } = await listen([a]);
  await expect(client(port, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow(/alert no application protocol|closed/);
  expect(accepted.length).toBe(0);
});

test('TLS 1.2 is refused where 1.3 is asked for, 1.1 everywhere', async () => {
  const strict = await listen([a], { minVersion: 'TLSv1.3' });
  await expect(client(strict.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert protocol version|closed/);
  expect((await client(strict.port)).getProtocol()).toBe('TLSv1.3');
  const usual = await listen([a]);
  expect((await client(usual.port, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  await expect(client(usual.port, old)).rejects.toThrow(/alert protocol version|closed|no protocols/);
});

test('only ciphers with forward secrecy are accepted', async () => {
  const { port } = await listen([a]);
  const weak = { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:ECDHE-ECDSA-AES128-SHA' } as const;
  await expect(client(port, weak)).rejects.toThrow(/alert handshake failure|closed/);
});

test('renegotiation is refused', async () => {
  const { port } = await listen([a]);
  const socket = await client(port, { maxVersion: 'TLSv1.2' });
  const refused = await new Promise<boolean>((resolve) => {
    socket.once('close', () => resolve(true));
    socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error !== null));
  });
  expect(refused).toBe(true);
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a %s session that began at one worker is resumed at another',
  async (version) => {
    const ticketKeys = randomBytes(48);
    const [one, other, stranger] = [
      await listen([a, b], { ticketKeys }),
      await listen([a, b], { ticketKeys }),
      await listen([a, b], { ticketKeys: randomBytes(48) }),
    ];
    const only = { minVersion: version, maxVersion: version, servername: 'x.b.test' };
    const first = connect({ port: one.port, host: '127.0.0.1', rejectUnauthorized: false, ...only });
    cleanups.push(() => first.destroy());
    first.on('error', () => {});
    const session = await new Promise<Buffer>((resolve) => {
      first.once('session', resolve);
      first.write('x');
    });
    expect((await client(other.port, { ...only, session })).isSessionReused()).toBe(true);
    expect((await client(stranger.port, { ...only, session })).isSessionReused()).toBe(false);
  },
);

test.each([
  ['says nothing', ''],
  ['stops within its hello', '\x16\x03\x01\x02\x00\x01'],
])('a client that %s is let go at the deadline', async (_, bytes) => {
  const { port, server, accepted } = await listen([a], { timeoutMs: 100 });
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  await new Promise((resolve) => socket.once('close', resolve));
  await until(async () => (await connections(server)) === 0, 'its socket is closed');
  expect(accepted.length).toBe(0);
});

test('handshakes that never end take no more room than there is, and give it back', async () => {
  const { port, accepting } = await listen([a], { most: 2, timeoutMs: 300 });
  const slow = [connectTcp(port, '127.0.0.1'), connectTcp(port, '127.0.0.1')];
  for (const socket of slow) socket.on('error', () => {});
  await until(() => accepting.handshakes === 2, 'both are waited for');
  await expect(client(port)).rejects.toThrow();
  await until(() => accepting.handshakes === 0, 'their deadline');
  expect(namesOf(await client(port))).toBe('DNS:a.test');
});

test('what is not TLS, what breaks off and what is refused hurts nobody else', async () => {
  const { port, server } = await listen([a]);
  const kept = await client(port);
  for (const bytes of [
    'GET / HTTP/1.1\r\nhost: a.test\r\n\r\n',
    '\x16\x03\x01\xff\xff',
    randomBytes(600).toString('latin1'),
  ]) {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(bytes, 'latin1', () => socket.destroySoon());
    await new Promise((resolve) => socket.once('close', resolve));
  }
  const reset = connectTcp(port, '127.0.0.1');
  await new Promise((resolve) => reset.once('connect', resolve));
  reset.resetAndDestroy();
  await until(async () => (await connections(server)) === 1, 'their sockets are closed');
  expect(await echoes(kept, 'still here')).toBe(true);
});

test('without any certificate connections are closed, and accepted when there is one', async () => {
  const { port, book } = await listen([]);
  await expect(client(port)).rejects.toThrow();
  book.replace([a]);
  expect(namesOf(await client(port))).toBe('DNS:a.test');
});

test('after close nothing is accepted; what was accepted stays, and a handshake under way is finished', async () => {
  const { port, server, accepted, accepting } = await listen([a]);
  const kept = await client(port);
  await until(() => accepted.length === 1, 'the first connection');
  const raw = connectTcp(port, '127.0.0.1');
  await until(() => accepting.handshakes === 1, 'the second connection');
  accepting.close();
  const finished = connect({ socket: raw, rejectUnauthorized: false });
  cleanups.push(() => finished.destroy());
  await new Promise((resolve) => finished.once('secureConnect', resolve));
  await until(() => accepted.length === 2, 'it is handed over');
  expect(accepting.handshakes).toBe(0);
  expect(server.listenerCount('connection')).toBe(0);
  expect([await echoes(kept, 'still here'), await echoes(finished, 'here too')]).toEqual([true, true]);
});

function connections(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}
