import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startBystander, type Bystander } from '../hostile/bystander.ts';
import { barrier } from '../hostile/fire.ts';
import { RawClient } from '../hostile/raw-client.ts';
import { RecordingInstance } from '../hostile/recording-instance.ts';
import { residentBytes, startDataPlane, type GatewayFireOptions, type RouterUnderFire } from '../hostile/routers.ts';
import { readAnswers } from '../hostile/strict-reader.ts';
import { until } from './router-instance.ts';

// Clients that are slow, greedy or both. Each attack goes on while an ordinary client asks again and again: it must be
// served every time, and the memory of the gateway must stay within what the attack may cost.

const mega = 2 ** 20;
/** Bytes that the gateway may keep for a client that reads nothing: a few hundred kB, whatever it asked for. */
const perStalledClient = 400_000;
/** Milliseconds that an ordinary request may take meanwhile, on a machine that has other things to do. */
const bearableMs = 3_000;

const limits = {
  headersTimeoutMs: 1_500,
  keepAliveMs: 1_500,
  clientStallMs: 1_500,
  bodyWindowMs: 1_000,
  minBodyBytesPerSecond: 100,
};
const proxy = { idleTimeoutMs: 2_000, responseTimeoutMs: 5_000 };

let instance: RecordingInstance;
let gateway: RouterUnderFire;
let bystander: Bystander | null = null;
let clients: RawClient[];

async function start(options: GatewayFireOptions = {}): Promise<void> {
  gateway = await startDataPlane(await instance.start(), { limits, proxy, ...options });
  // What is loaded and compiled once is no cost of an attack.
  for (let round = 0; round < 20; round += 1) await barrier(gateway);
}

beforeEach(() => {
  instance = new RecordingInstance();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await bystander?.end();
  bystander = null;
  const complaints = await gateway.complaints();
  await gateway.end();
  await instance.stop();
  expect(complaints).toEqual([]);
});

/** In use after a collection: what a client that is not served makes the gateway keep. */
const live = async (): Promise<number> => (await gateway.liveBytes()) ?? 0;

/** Milliseconds without any change after which the buffers of the kernel are full and nothing is on its way. */
const stalledMs = 1_200;
/** Bytes for each client that two looks at the memory may differ by without anything having happened. */
const noise = 10_000;

/**
 * Waits until nothing moves any more, neither bytes of the instance nor the memory of the gateway, then says what a stalled
 * client costs it. Before that, bytes that are on their way count as well, and a low moment would say nothing.
 *
 * @param progress grows as long as the instance can send
 */
async function costWhenStalled(before: number, count: number, progress: () => number): Promise<number> {
  let [moved, cost, since] = [-1, 0, performance.now()];
  await until(
    async () => {
      const now = ((await live()) - before) / count;
      if (progress() !== moved || Math.abs(now - cost) > noise) {
        [moved, cost, since] = [progress(), now, performance.now()];
      }
      return performance.now() - since > stalledMs;
    },
    'nothing moves any more',
    40_000,
  );
  return cost;
}

/** Longer than the buffers of the kernel take to fill. */
const stalling = {
  limits: { ...limits, clientStallMs: 12_000, headersTimeoutMs: 12_000 },
  proxy: { ...proxy, idleTimeoutMs: 12_000 },
};

const resident = async (): Promise<number> => residentBytes(await gateway.pids());

function connect(count: number): readonly RawClient[] {
  const made = Array.from({ length: count }, () => new RawClient(gateway.port));
  clients.push(...made);
  return made;
}

const allClosed = (made: readonly RawClient[]): boolean => made.every((client) => client.heard().closed !== null);

const text = (value: string): readonly Buffer[] => [Buffer.from(value, 'latin1')];

async function bystanderIsServed(): Promise<{ readonly mostBytes: number }> {
  if (bystander === null) throw new Error('no bystander');
  const seen = await bystander.end();
  bystander = null;
  expect(seen.failures).toEqual([]);
  expect(seen.served).toBeGreaterThan(3);
  expect(seen.slowestMs).toBeLessThan(bearableMs);
  return seen;
}

/** Writes until the other side ends the connection. @returns bytes that were written */
async function writeForever(client: RawClient, piece: Buffer, most: number): Promise<number> {
  let sent = 0;
  while (sent < most && client.heard().closed === null && client.heard().bytes.length === 0) {
    sent += piece.length;
    if (client.socket.write(piece)) await new Promise((resolve) => setImmediate(resolve));
    else {
      await Promise.race([
        new Promise((resolve) => client.socket.once('drain', resolve)),
        client.until(({ bytes, closed }) => closed !== null || bytes.length > 0, 10_000),
      ]);
    }
  }
  return sent;
}

describe('slow clients', () => {
  it('that send their head byte by byte are told 408 at the deadline, and nothing arrives', async () => {
    await start();
    const slow = connect(200);
    bystander = startBystander(gateway);
    const began = performance.now();
    const head = 'GET /slow HTTP/1.1\r\nHost: a.test\r\nX-A: ';
    await Promise.all(slow.map((client) => client.send(text(head))));
    while (!allClosed(slow) && performance.now() - began < 15_000) {
      await sleep(50);
      for (const client of slow) if (client.heard().closed === null) client.socket.write('a');
    }
    expect(allClosed(slow)).toBe(true);
    expect(performance.now() - began).toBeGreaterThan(limits.headersTimeoutMs * 0.9);
    const statuses = slow.map((client) => readAnswers(client.heard().bytes, [], true).answers[0]?.status);
    expect(new Set(statuses)).toEqual(new Set([408]));
    expect(instance.countOf('/slow')).toBe(0);
    await bystanderIsServed();
  });

  it('that connect and say nothing are let go', async () => {
    await start();
    const silent = connect(200);
    bystander = startBystander(gateway);
    await until(() => allClosed(silent), 'silent connections are closed');
    await bystanderIsServed();
  });

  it('that send a body below the least rate are cut off, and no complete request arrives', async () => {
    await start();
    const slow = connect(100);
    bystander = startBystander(gateway);
    await Promise.all(
      slow.map((client) => client.send(text('POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n'))),
    );
    const began = performance.now();
    while (!allClosed(slow) && performance.now() - began < 15_000) {
      await sleep(100);
      for (const client of slow) if (client.heard().closed === null) client.socket.write('a');
    }
    expect(allClosed(slow)).toBe(true);
    expect(instance.countOf('/slow')).toBe(0);
    await bystanderIsServed();
    await until(
      () => instance.arrivals().every(({ incomplete, open }) => !incomplete || !open),
      'instances are let go',
    );
  });

  it('that do not read a 2 GB answer are held back, cost little each, and are cut off', async () => {
    await start(stalling);
    const size = 2 ** 31;
    const block = Buffer.alloc(65_536, 'x');
    const senders = new Set<Socket>();
    let taken = 0;
    instance.answering = ({ target }, socket) => {
      if (target !== '/large') return null;
      senders.add(socket);
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const more = (): void => {
        while (!socket.destroyed) {
          taken += block.length;
          if (!socket.write(block)) {
            socket.once('drain', more);
            return;
          }
        }
      };
      more();
      return 'answered';
    };
    const before = await live();
    bystander = startBystander(gateway);
    const readers = connect(20);
    for (const client of readers) client.socket.pause();
    await Promise.all(readers.map((client) => client.send(text('GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n'))));
    await until(() => senders.size === readers.length, 'all answers begin');
    expect(await costWhenStalled(before, readers.length, () => taken)).toBeLessThan(perStalledClient);
    expect([...senders].some((socket) => socket.destroyed)).toBe(false);
    await until(() => [...senders].every((socket) => socket.destroyed), 'all are cut off', 40_000);
    await bystanderIsServed();
    // What the kernel keeps for both connections of each is not the gateway's.
    expect(taken).toBeLessThan((readers.length * size) / 10);
  });

  it('of a WebSocket that never read are held back, cost little each, and are cut off', async () => {
    await start(stalling);
    let taken = 0;
    const senders = new Set<Socket>();
    const frame = Buffer.concat([Buffer.from([0x82, 126, 0xff, 0xff]), Buffer.alloc(65_535, 'x')]);
    instance.answering = ({ headers }, socket) => {
      const key = headers.find(([name]) => name === 'sec-websocket-key')?.[1];
      if (key === undefined) return null;
      senders.add(socket);
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      const more = (): void => {
        while (!socket.destroyed) {
          taken += frame.length;
          if (!socket.write(frame)) {
            socket.once('drain', more);
            return;
          }
        }
      };
      more();
      return 'answered';
    };
    const before = await live();
    bystander = startBystander(gateway);
    const readers = connect(20);
    for (const client of readers) client.socket.pause();
    await Promise.all(readers.map((client) => client.send(text(webSocket))));
    await until(() => senders.size === readers.length, 'all WebSockets are open');
    expect(await costWhenStalled(before, readers.length, () => taken)).toBeLessThan(perStalledClient);
    expect([...senders].some((socket) => socket.destroyed)).toBe(false);
    await until(() => [...senders].every((socket) => socket.destroyed), 'all are cut off', 40_000);
    await bystanderIsServed();
  });

  it('of WebSockets that trickle half a frame and stop are let go', async () => {
    await start();
    instance.answering = ({ headers }, socket) => {
      if (!headers.some(([name]) => name === 'sec-websocket-key')) return null;
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
      );
      return 'answered';
    };
    bystander = startBystander(gateway);
    const slow = connect(100);
    await Promise.all(slow.map((client) => client.send(text(webSocket))));
    await until(() => slow.every((client) => client.heard().bytes.length > 0), 'all WebSockets are open');
    for (const client of slow) client.socket.write(Buffer.from([0x81, 0xfe]));
    await until(() => allClosed(slow), 'silent WebSockets are closed', 20_000);
    await bystanderIsServed();
  });
});

const webSocket =
  'GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

describe('floods', () => {
  it('of 4,000 idle connections cost little memory each, and are let go', async () => {
    await start();
    const before = await resident();
    bystander = startBystander(gateway);
    const idle: RawClient[] = [];
    while (idle.length < 4_000) {
      const some = connect(200);
      idle.push(...some);
      await Promise.all(
        some.map(({ socket }) => new Promise((resolve) => socket.once('connect', resolve).once('error', resolve))),
      );
    }
    await until(() => allClosed(idle), 'idle connections are closed', 30_000);
    const { mostBytes } = await bystanderIsServed();
    expect((mostBytes - before) / idle.length).toBeLessThan(20_000);
  });

  it('of connections above the limit are refused, and those within it are served', async () => {
    await start({ limits: { ...limits, maxConnections: 50 } });
    const kept = connect(40);
    await Promise.all(kept.map((client) => client.send(text('GET /kept HTTP/1.1\r\nHost: a.test\r\n\r\n'))));
    await until(() => kept.every((client) => client.heard().bytes.length > 0), 'the first ones are served');
    const more = connect(200);
    await until(() => more.filter((client) => client.heard().closed !== null).length >= 180, 'those above are closed');
    await Promise.all(kept.map((client) => client.send(text('GET /again HTTP/1.1\r\nHost: a.test\r\n\r\n'))));
    const twice = (client: RawClient): boolean => readAnswers(client.heard().bytes, [], false).answers.length === 2;
    await until(() => kept.every(twice), 'the first ones are served again');
  });

  it.each([
    ['header lines', 'GET /endless HTTP/1.1\r\nHost: a.test\r\n', 'X-A: bbbbbbbbbbbbbbbbbbbbbbbbbb\r\n'],
    ['one header value', 'GET /endless HTTP/1.1\r\nHost: a.test\r\nX-A: ', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'],
    ['a target', 'GET /endless', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
    [
      'zeros of a chunk size',
      'POST /endless HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n',
      '0000000000000000',
    ],
    [
      'a chunk extension',
      'POST /endless HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;a=',
      'aaaaaaaaaaaaaaaa',
    ],
    [
      'chunks with extensions',
      'POST /endless HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n',
      `1;${'a'.repeat(200)}\r\nb\r\n`,
    ],
    [
      'trailers',
      'POST /endless HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
      'X-A: bbbbbbbbbbbbbbbbbbb\r\n',
    ],
  ])('%s without end are refused soon', async (_name, begin, piece) => {
    await start();
    const before = await resident();
    bystander = startBystander(gateway);
    const attackers = connect(10);
    await Promise.all(attackers.map((client) => client.send(text(begin))));
    const block = Buffer.from(piece.repeat(Math.ceil(4_096 / piece.length)), 'latin1');
    const sent = await Promise.all(attackers.map((client) => writeForever(client, block, 64 * mega)));
    await until(
      () => attackers.every((client) => client.heard().bytes.length > 0 || client.heard().closed !== null),
      'all are refused',
    );
    for (const client of attackers) {
      const [answer] = readAnswers(client.heard().bytes, [], true).answers;
      if (answer !== undefined) expect([400, 408, 413, 414, 431]).toContain(answer.status);
    }
    expect(Math.max(...sent)).toBeLessThan(16 * mega);
    expect(instance.countOf('/endless')).toBe(0);
    await until(() => (bystander?.served ?? 0) > 3, 'the bystander had its turns');
    const { mostBytes } = await bystanderIsServed();
    expect((mostBytes - before) / attackers.length).toBeLessThan(3 * mega);
  });

  it('of one-byte chunks are passed on without holding up anybody', async () => {
    await start();
    const before = await resident();
    bystander = startBystander(gateway);
    const [client] = connect(1);
    if (client === undefined) throw new Error('no client');
    const count = 200_000;
    await client.send(text('POST /tiny HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n'));
    let bytes = 0;
    instance.heard = (request) => {
      if (request?.target === '/tiny') bytes = request.body.length;
    };
    const piece = Buffer.from('1\r\na\r\n'.repeat(2_000));
    for (let sent = 0; sent < count; sent += 2_000) {
      if (!client.socket.write(piece)) await new Promise((resolve) => client.socket.once('drain', resolve));
      await sleep(1);
    }
    client.socket.write('0\r\n\r\n');
    await until(() => bytes === count, 'the body arrives', 50_000);
    const { mostBytes } = await bystanderIsServed();
    expect(mostBytes - before).toBeLessThan(100 * mega);
  });

  it('of pipelined requests whose answers are not read are held back, and cut off', async () => {
    await start(stalling);
    const before = await live();
    bystander = startBystander(gateway);
    const greedy = connect(10);
    let answered = 0;
    instance.answering = ({ target }, socket) => {
      if (target !== '/pipelined') return null;
      answered += 1;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`);
      return 'answered';
    };
    for (const client of greedy) client.socket.pause();
    const block = Buffer.from('GET /pipelined HTTP/1.1\r\nHost: a.test\r\n\r\n'.repeat(100));
    const gone = greedy.map((client) => new Promise((resolve) => client.socket.once('close', resolve)));
    for (const client of greedy) {
      const more = (): void => {
        while (!client.socket.destroyed && client.socket.write(block));
      };
      client.socket.on('drain', more);
      more();
    }
    await until(() => answered > 0, 'some are answered');
    expect(await costWhenStalled(before, greedy.length, () => answered)).toBeLessThan(perStalledClient);
    expect(greedy.some(({ socket }) => socket.destroyed)).toBe(false);
    await Promise.race([Promise.all(gone), sleep(40_000, 'still open', { ref: false })]).then((result) =>
      expect(result).not.toBe('still open'),
    );
    await bystanderIsServed();
    expect(answered).toBeGreaterThan(0);
  });
});
