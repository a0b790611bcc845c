import { mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/system/free-port.ts';
import type { GatewaySettings } from '../../src/core/gateway-settings.ts';
import { plainEdge, type RouteTableEntry } from '../../src/core/route-table.ts';
import {
  createGatewayRouter,
  stopGateway,
  type GatewayRouter,
} from '../../src/drivers/router/gateway/gateway-router.ts';
import type { RouterEvent } from '../../src/drivers/router/router.ts';
import { GatewayRefusedError, GatewayStartError, GatewayUnreachableError } from '../../src/errors.ts';
import { ask, openEvents, openWebSocket } from './router-client.ts';
import { startInstance, until, type Instance } from './router-instance.ts';
import { routerContract } from './router.contract.ts';
import { isAlive } from '../../src/system/is-alive.ts';

const http = { host: '127.0.0.1', port: 0 };

const settings: GatewaySettings = { workers: 2, http, https: null, accessLog: null, lingerMs: 60_000 };

const temporaryFolder = (): Promise<string> => mkdtemp(path.join(os.tmpdir(), 'veza-gateway-'));

describe.each([1, 2])('with %i workers', (workers) => {
  routerContract('gateway', { earlyAnswer: 'always' }, async () => {
    const stateDir = await temporaryFolder();
    const router = await createGatewayRouter({ stateDir, settings: { ...settings, workers } });
    return {
      router,
      publicPort: router.listen.port,
      workers,
      internalPort: await freePort('127.0.0.1', 0),
      crash: async () => {
        const { pid, workers: all } = await router.health(AbortSignal.timeout(5_000));
        for (const one of [pid, ...all.map((worker) => worker.pid)]) process.kill(one, 'SIGKILL');
      },
      end: async () => {
        await router.close();
        await stopGateway(stateDir, 0);
        await expectQuietLog(stateDir);
        await rm(stateDir, { recursive: true, force: true });
      },
    };
  });
});

/** Nothing that a client or an instance did may have surprised the gateway. */
async function expectQuietLog(stateDir: string): Promise<void> {
  const log = await readFile(path.join(stateDir, 'gateway', 'gateway.log'), 'utf8');
  expect(log).not.toMatch(/"event":"(?:uncaught|unhandled-rejection|request-failed|control-failed)"|Warning/);
}

describe('the gateway process', () => {
  let signal: AbortSignal;
  let stateDir: string;
  let routers: GatewayRouter[];
  let instance: Instance;

  beforeEach(async () => {
    signal = AbortSignal.timeout(60_000);
    stateDir = await temporaryFolder();
    routers = [];
    instance = await startInstance('a');
  });

  afterEach(async () => {
    await Promise.all(routers.map((router) => router.close()));
    await stopGateway(stateDir, 0);
    await instance.kill();
    await expectQuietLog(stateDir);
    await rm(stateDir, { recursive: true, force: true });
  });

  async function open(place: Partial<Parameters<typeof createGatewayRouter>[0]> = {}): Promise<GatewayRouter> {
    const router = await createGatewayRouter({ stateDir, settings, ...place });
    routers.push(router);
    return router;
  }

  async function entry(proxy: Record<string, unknown> = {}): Promise<RouteTableEntry> {
    return {
      service: 'web',
      public: { hosts: [], paths: ['/'], sticky: false, canaryHeader: null },
      internalPort: await freePort('127.0.0.1', 0),
      proxy: { responseTimeoutMs: 5_000, idleTimeoutMs: 5_000, maxBodyBytes: null, drainMs: 500, ...proxy },
      stable: 'blue',
      edge: plainEdge,
      candidateWeight: 0,
      endpoints: { blue: [instance.endpoint], green: [] },
      releases: { blue: 'rel_1', green: null },
    } as unknown as RouteTableEntry;
  }

  it('is shared by all drivers of a state folder', async () => {
    const [first, second] = [await open(), await open()];
    expect(second.pid).toBe(first.pid);
    expect(second.listen).toEqual(first.listen);
  });

  it('says what is counted of the second that is not over, and what still waits for an answer', async () => {
    const router = await open();
    expect(await router.current('web', signal)).toBeNull();
    await router.write({ epoch: 1, version: 1 }, await entry(), signal);
    const held = ask(router.listen.port, '/held');
    const seen = async () => (await router.current('web', signal))?.soFar.arms.stable.waiting ?? [];
    await until(async () => (await seen()).length > 0, 'a waiting request is seen');
    expect((await seen()).reduce((sum, [, count]) => sum + count, 0)).toBe(1);
    const current = await router.current('web', signal);
    expect(current?.passedMs).toBeGreaterThanOrEqual(0);
    expect(current?.passedMs).toBeLessThan(1_000);
    instance.release();
    expect((await held).status).toBe(200);
    expect(await seen()).toEqual([]);
  });

  it('starts from a state folder whose path is too long for a Unix socket', async () => {
    await open();
    const deep = path.join(stateDir, 'x'.repeat(120));
    const router = await open({ stateDir: deep });
    expect(await router.observe(signal)).toEqual([]);
    await router.close();
    expect(await stopGateway(deep, 0)).toBe(true);
  });

  it('moves to another address when that is wanted, and leaves the one it had', async () => {
    const before = await open();
    await before.write({ epoch: 1, version: 1 }, await entry(), signal);
    const left = before.listen.port;
    const port = await freePort('127.0.0.1', 0);
    const after = await open({ settings: { ...settings, http: { host: '127.0.0.1', port } } });
    expect(after.pid).not.toBe(before.pid);
    expect(after.listen.port).toBe(port);
    expect((await ask(port, '/')).status).toBe(200);
    await until(
      () =>
        ask(left, '/').then(
          () => false,
          (error: Error) => error.message.includes('ECONNREFUSED'),
        ),
      'the old address is closed',
    );
  });

  it('says what befell it: a dead supervisor, a dead gateway, one that cannot come back; not that it was replaced as wanted', async () => {
    const events: RouterEvent[] = [];
    const router = await open({ onEvent: (event) => events.push(event) });
    const first = router.pid;
    await router.upgrade((await router.health(signal)).settings, signal);
    expect(router.pid).not.toBe(first);

    const second = router.pid;
    const before = (await router.health(signal)).workers;
    process.kill(second, 'SIGKILL');
    await until(() => events.length === 1, 'the death of the supervisor is said');
    expect(events[0]).toMatchObject({ kind: 'restarted' });
    expect(events[0]?.message).toContain(`supervisor (process ${second}) had died; its workers went on`);
    expect(router.pid).not.toBe(second);

    // With its old workers gone, nobody else is left who could start another one.
    await until(() => before.every((worker) => !isAlive(worker.pid)), 'the old workers have ended');
    const { pid, workers } = await router.health(signal);
    // Nobody can start it as long as its log cannot be written.
    const log = path.join(stateDir, 'gateway', 'gateway.log');
    await rename(log, `${log}.kept`);
    await mkdir(log);
    for (const one of [pid, ...workers.map((worker) => worker.pid)]) process.kill(one, 'SIGKILL');
    await until(() => events.length === 2, 'that it cannot come back is said');
    expect(events[1]).toMatchObject({ kind: 'failed' });
    expect(events[1]?.message).toContain('EISDIR');
    await rmdir(log);
    await rename(`${log}.kept`, log);
    await until(() => events.length === 3, 'that it is there again is said');
    expect(events[2]?.message).toContain(`The gateway (process ${pid}) had died with all its processes`);
  });

  it('says why it cannot start', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const failure = await open({ settings: { ...settings, http: { host: '127.0.0.1', port } } }).catch(
      (error: unknown) => error,
    );
    taken.close();
    expect(failure).toBeInstanceOf(GatewayStartError);
    expect(String(failure)).toContain('another program listens on');
  });

  it('refuses an internal port that is taken, and keeps what is in force', async () => {
    const router = await open();
    const good = await entry();
    await router.write({ epoch: 1, version: 1 }, good, signal);
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const refused = await router
      .write({ epoch: 1, version: 2 }, { ...good, internalPort: port }, signal)
      .catch((error: unknown) => error);
    taken.close();
    expect(refused).toBeInstanceOf(GatewayRefusedError);
    expect((await router.observe(signal))[0]?.stamp).toEqual({ epoch: 1, version: 1 });
  });

  it('refuses a message that makes no sense, and says where', async () => {
    const router = await open();
    const wrong = { ...(await entry()), candidateWeight: 101 };
    await expect(router.write({ epoch: 1, version: 1 }, wrong, signal)).rejects.toThrow(/candidateWeight/);
  });

  it('sets a damaged table aside, says so, and starts', async () => {
    const before = await open();
    await before.write({ epoch: 1, version: 1 }, await entry(), signal);
    await before.close();
    await stopGateway(stateDir, 0);
    await writeFile(path.join(stateDir, 'gateway', 'table.json'), '{"format":1,"sha256":"0"}\n{"routes":[]}\n');
    const router = await open();
    expect(await router.observe(signal)).toEqual([]);
    expect((await router.warnings(signal)).join()).toContain('set aside');
    const lost = await ask(router.listen.port, '/');
    expect(lost).toMatchObject({ status: 503, headers: { 'x-veza-error': 'no-table', 'retry-after': '1' } });
    expect((await readdir(path.join(stateDir, 'gateway'))).some((file) => file.startsWith('table.json.corrupt-'))).toBe(
      true,
    );
    // Nor does one that dies before anything was written come back as if it had never had a table.
    await router.close();
    await stopGateway(stateDir, 0);
    const next = await open();
    expect((await ask(next.listen.port, '/')).status).toBe(503);
    const route = { hosts: [], paths: ['/web'], sticky: false, canaryHeader: null };
    await next.write({ epoch: 2, version: 1 }, { ...(await entry()), public: route }, signal);
    expect((await ask(next.listen.port, '/web')).status).toBe(200);
    expect((await ask(next.listen.port, '/')).status).toBe(404);
  });

  it('answers what is in flight and tells streams to come back when it is stopped', async () => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, await entry(), signal);
    const { port } = router.listen;
    const held = ask(port, '/held');
    const client = await openWebSocket(port);
    const events = await openEvents(port);
    await instance.held(1);
    await router.close();
    const stopped = stopGateway(stateDir, 10_000);
    expect(await client.closed).toEqual({ code: 1012 });
    expect(await events.ended).toEqual({ clean: true });
    instance.release();
    expect((await held).body).toBe('held');
    expect(await stopped).toBe(true);
    await expect(ask(port, '/')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('stays down when it was told to stop, though a router is open', async () => {
    const router = await open();
    expect(await stopGateway(stateDir, 0)).toBe(true);
    await expect(router.observe(signal)).rejects.toBeInstanceOf(GatewayUnreachableError);
    const again = await open();
    expect(again.pid).not.toBe(router.pid);
    expect(await again.observe(signal)).toEqual([]);
  });

  it('answers 503 with Retry-After above its limit of requests in flight', async () => {
    const router = await open({
      settings: { ...settings, workers: 1 },
      limits: { maxInFlight: 2, maxQueued: 0, maxStreams: 1 },
    });
    await router.write({ epoch: 1, version: 1 }, await entry(), signal);
    const { port } = router.listen;
    const held = [ask(port, '/held'), ask(port, '/held')];
    await instance.held(2);
    const over = await ask(port, '/');
    expect(over.status).toBe(503);
    expect(over.headers).toMatchObject({ 'retry-after': '1', 'x-veza-error': 'overloaded' });
    instance.release();
    await Promise.all(held);
    const client = await openWebSocket(port);
    await expect(openWebSocket(port)).rejects.toThrow(/503/);
    client.socket.close();
  });

  it('does not wait for a client that sends its head slowly, nor for one that stops in its body', async () => {
    const router = await open({ limits: { headersTimeoutMs: 500 } });
    await router.write({ epoch: 1, version: 1 }, await entry({ idleTimeoutMs: 500 }), signal);
    const say = async (text: string): Promise<string> => {
      const socket = net.connect(router.listen.port, '127.0.0.1');
      let heard = '';
      socket.on('data', (chunk) => (heard += chunk.toString()));
      socket.on('error', () => {});
      socket.write(text);
      await new Promise((resolve) => socket.once('close', resolve));
      return heard;
    };
    const [head, body] = await Promise.all([
      say('GET / HTTP/1.1\r\nhost: x\r\n'),
      say('POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc'),
    ]);
    expect(head).toMatch(/^HTTP\/1.1 408 /);
    expect(body).toMatch(/^HTTP\/1.1 408 /);
    expect(body).toContain('x-veza-error: request-timeout');
  });

  it('refuses what it cannot pass on safely', async () => {
    const router = await open({ limits: { maxHeaders: 20 } });
    await router.write({ epoch: 1, version: 1 }, await entry(), signal);
    const firstLine = async (text: string): Promise<string> => {
      const socket = net.connect(router.listen.port, '127.0.0.1');
      let heard = '';
      socket.on('data', (chunk) => (heard += chunk.toString()));
      socket.on('error', () => {});
      socket.write(text);
      await until(() => heard.includes('\r\n'), 'an answer');
      socket.destroy();
      return heard.split('\r\n', 1)[0] ?? '';
    };
    expect(await firstLine('GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n')).toContain(' 400 ');
    expect(await firstLine('GET / HTTP/1.1\r\n\r\n')).toContain(' 400 ');
    expect(
      await firstLine('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
    ).toContain(' 400 ');
    expect(await firstLine(`GET / HTTP/1.1\r\nhost: a\r\n${'x: y\r\n'.repeat(30)}\r\n`)).toContain(' 431 ');
    expect(await firstLine(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toContain(' 431 ');
    expect(instance.requests()).toBe(0);
  });
});
