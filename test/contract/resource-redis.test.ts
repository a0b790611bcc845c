import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExternalRedis } from '../../src/drivers/resource/redis/redis.ts';
import { freePort } from '../../src/system/free-port.ts';
import { plainResourceContract } from './resource-common.suite.ts';
import { caught } from './resource.suite.ts';
import { until } from './router-instance.ts';

const never = new AbortController().signal;
const PASSWORD = 'p:ss/w@rd-of-redis';

let folder: string;
let server: ChildProcess;
let port: number;

const redis = (url: string): ExternalRedis => new ExternalRedis('job-queue', () => Promise.resolve(url));
const urlWith = (password: string, user = ''): string =>
  `redis://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}`;

async function startRedis(): Promise<void> {
  server = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder, '--requirepass', PASSWORD],
    { stdio: 'ignore' },
  );
  const started = redis(urlWith(PASSWORD));
  await until(async () => (await started.status()).state === 'ready', 'Redis answers');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'veza-redis-'));
  port = await freePort('127.0.0.1', 0);
  await startRedis();
});
afterAll(async () => {
  const exited = once(server, 'exit');
  server.kill('SIGKILL');
  await exited;
  rmSync(folder, { recursive: true, force: true });
});

plainResourceContract('external Redis', () => ({
  driver: () => redis(urlWith(PASSWORD)),
  broken: () => redis(urlWith('another-password')),
  variable: 'REDIS_URL',
  named: 'JOB_QUEUE_URL',
  version: true,
  credentials: [PASSWORD, encodeURIComponent(PASSWORD), 'another-password'],
}));

describe('external Redis', () => {
  it('lets in by user and password', async () => {
    await expect(redis(urlWith(PASSWORD, 'default')).start(never)).resolves.toBeUndefined();
  });

  it.each([
    ['without a password', () => `redis://127.0.0.1:${port}`, 'it does not answer PING (NOAUTH)'],
    ['with a wrong one', () => urlWith('wrong'), 'it does not let us in (WRONGPASS)'],
    ['as nobody', () => urlWith(PASSWORD, 'nobody'), 'it does not let us in (WRONGPASS)'],
    ['at a port where nothing listens', () => 'redis://127.0.0.1:1', 'ECONNREFUSED'],
    ['at a URL of something else', () => 'postgres://127.0.0.1:1/x', 'its address is not a URL of Redis'],
    ['at no URL', () => 'anything', 'its address is not a URL of Redis'],
  ])('says what is wrong %s', async (_how, url, reason) => {
    expect((await caught(redis(url()).start(never))).message).toContain(reason);
  });

  it('is unready while it is away, and ready when it is back, by the same driver', async () => {
    const driver = redis(urlWith(PASSWORD));
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
    expect(await driver.status()).toMatchObject({ state: 'unready', version: null });
    await startRedis();
    expect(await driver.status()).toMatchObject({ state: 'ready' });
  });

  it('waits for no answer longer than it is told to', async () => {
    server.kill('SIGSTOP');
    try {
      const leaving = AbortSignal.timeout(300);
      const failed: unknown = await redis(urlWith(PASSWORD))
        .start(leaving)
        .catch((error: unknown) => error);
      expect(failed).toBe(leaving.reason);
      expect(failed).toMatchObject({ name: 'TimeoutError' });
    } finally {
      server.kill('SIGCONT');
    }
  });

  describe('at a port where something else answers', () => {
    let other: Server;
    let answer: string;
    beforeAll(async () => {
      other = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.end(answer);
      }).listen(0, '127.0.0.1');
      await once(other, 'listening');
    });
    afterAll(() => {
      other.close();
    });

    it.each([
      ['HTTP/1.1 400 Bad Request\r\n\r\n', 'not in the protocol of Redis'],
      ['', 'it closed the connection'],
      ['+PONG\r\n$99999999\r\n', 'no length'],
      ['-ERR no\r\n-ERR no\r\n-ERR no\r\n', 'it does not answer PING (ERR)'],
    ])('says so: %j', async (text, reason) => {
      answer = text;
      const address = other.address();
      if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
      expect((await caught(redis(`redis://127.0.0.1:${address.port}`).start(never))).message).toContain(reason);
    });
  });
});
