import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayHealth } from '../../src/core/gateway-control.ts';
import type { GatewaySettings } from '../../src/core/gateway-settings.ts';
import { plainEdge, type RouteTableEntry } from '../../src/core/route-table.ts';
import {
  createGatewayRouter,
  stopGateway,
  type GatewayRouter,
} from '../../src/drivers/router/gateway/gateway-router.ts';
import { findGateway } from '../../src/drivers/router/gateway/gateway-process.ts';
import { GatewayStartError, GatewayUpgradeError, StaleRouterWriteError } from '../../src/errors.ts';
import { makeLeaf } from '../../src/gateway/tls/x509.ts';
import { freePort } from '../../src/system/free-port.ts';
import { startGatewayLoad, type GatewayLoad } from './gateway-load.ts';
import { ask, echo, openEvents, openWebSocket } from './router-client.ts';
import { startInstance, until, type Instance } from './router-instance.ts';
import { isAlive } from '../../src/system/is-alive.ts';

const settings: GatewaySettings = {
  workers: 2,
  http: { host: '127.0.0.1', port: 0 },
  https: null,
  accessLog: null,
  lingerMs: 60_000,
};

/** Process ids of those that have a folder in their command line. */
async function processesOf(folder: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_, i) => lines[i]?.split('\0').includes(folder));
}

describe('a gateway that is replaced', () => {
  const signal = AbortSignal.timeout(600_000);
  let stateDir: string;
  let router: GatewayRouter;
  let instance: Instance;
  let internalPort: number;
  let loads: GatewayLoad[];

  beforeEach(async () => {
    stateDir = await mkdtemp(path.join(os.tmpdir(), 'veza-gateway-'));
    loads = [];
    instance = await startInstance('a');
    internalPort = await freePort('127.0.0.1', 0);
    router = await createGatewayRouter({ stateDir, settings });
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
  });

  afterEach(async () => {
    await Promise.all(loads.map((load) => load.end()));
    await router.close();
    await stopGateway(stateDir, 0);
    await instance.kill();
    const log = await readFile(path.join(stateDir, 'gateway', 'gateway.log'), 'utf8');
    expect(log).not.toMatch(/"event":"(?:uncaught|unhandled-rejection|request-failed|control-failed)"|Warning/);
    await rm(stateDir, { recursive: true, force: true });
  });

  function entry(changes: Partial<RouteTableEntry> = {}): RouteTableEntry {
    return {
      service: 'web',
      public: { hosts: [], paths: ['/'], sticky: false, canaryHeader: null },
      internalPort,
      proxy: { responseTimeoutMs: 20_000, idleTimeoutMs: 60_000, maxBodyBytes: null, drainMs: 500 },
      stable: 'blue',
      edge: plainEdge,
      candidateWeight: 0,
      endpoints: { blue: [instance.endpoint], green: [] },
      releases: { blue: 'rel_1', green: null },
      ...changes,
    } as unknown as RouteTableEntry;
  }

  async function load(): Promise<GatewayLoad> {
    const started = await startGatewayLoad(router.listen.port);
    loads.push(started);
    await started.more(100);
    return started;
  }

  /** Once this many workers accept connections, and as many have retired as are said. */
  async function settled(
    active: number,
    which: (health: GatewayHealth) => boolean = () => true,
  ): Promise<GatewayHealth> {
    let found: GatewayHealth | null = null;
    await until(async () => {
      found = (await findGateway(stateDir, signal))?.health ?? null;
      return (
        found !== null && found.workers.filter(({ state }) => state === 'active').length === active && which(found)
      );
    }, `${active} workers are active`);
    if (found === null) throw new Error('no gateway');
    return found;
  }

  it('refuses no connection, cuts no request and keeps every stream, three times under load', async () => {
    const running = await load();
    const before = router.pid;
    for (let n = 1; n <= 3; n += 1) {
      const health = await router.upgrade(settings, signal);
      expect(health.generation).toBe(1 + n);
      await running.more(150);
      await running.streamsLive();
    }
    expect(router.pid).not.toBe(before);
    expect(isAlive(before)).toBe(false);
    expect(running.wrong).toEqual([]);
    expect(await router.observe(signal)).toHaveLength(1);
    expect((await settled(2)).workers.some(({ state }) => state === 'retired')).toBe(true);
    await running.end();
    loads = [];
    // Retired workers end by themselves once their clients have gone.
    await settled(2, ({ workers }) => workers.length === 2);
  });

  it('takes the table, the internal address and the order of writes over', async () => {
    await router.upgrade(settings, signal);
    expect(await echo(internalPort)).toMatchObject({ instance: 'a' });
    expect((await router.observe(signal))[0]?.stamp).toEqual({ epoch: 1, version: 1 });
    await expect(router.write({ epoch: 0, version: 9 }, entry(), signal)).rejects.toThrow(/older|stale|in force/i);
    const b = await startInstance('b');
    try {
      await router.write({ epoch: 1, version: 2 }, entry({ endpoints: { blue: [b.endpoint], green: [] } }), signal);
      expect(await echo(router.listen.port)).toMatchObject({ instance: 'b' });
    } finally {
      await b.kill();
    }
  });

  it('lets a request on a connection that the old one keeps follow the newest table', async () => {
    const b = await startInstance('b');
    const socket = net.connect(router.listen.port, '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString()));
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until(() => heard.includes('"instance":"a"'), 'an answer');
    await router.upgrade(settings, signal);
    await router.write({ epoch: 1, version: 2 }, entry({ endpoints: { blue: [b.endpoint], green: [] } }), signal);
    heard = '';
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until(() => heard.includes('"instance":"b"'), 'an answer of the new table');
    expect(heard.toLowerCase()).toContain('connection: close');
    socket.destroy();
    await b.kill();
  });

  it('puts writes that come meanwhile in force in the new one', async () => {
    const b = await startInstance('b');
    const upgraded = router.upgrade(settings, signal);
    const blue = [b.endpoint];
    const writes = [2, 3, 4].map((version) =>
      router.write({ epoch: 1, version }, entry({ endpoints: { blue, green: [] } }), signal),
    );
    // Three at once may arrive in any order; nothing but that may go wrong with them.
    for (const write of await Promise.allSettled(writes)) {
      if (write.status === 'rejected') expect(write.reason).toBeInstanceOf(StaleRouterWriteError);
    }
    const health = await upgraded;
    expect(health.generation).toBe(2);
    await router.write({ epoch: 1, version: 4 }, entry({ endpoints: { blue, green: [] } }), signal);
    expect((await router.observe(signal)).map(({ stamp }) => stamp)).toEqual([{ epoch: 1, version: 4 }]);
    expect(await echo(router.listen.port)).toMatchObject({ instance: 'b' });
    const table = await readFile(path.join(stateDir, 'gateway', 'table.json'), 'utf8');
    expect(table).toContain('"version":4');
    await b.kill();
  });

  it('goes on with a drain that is under way', async () => {
    const b = await startInstance('b');
    const held = ask(router.listen.port, '/held');
    await instance.held(1);
    await router.write({ epoch: 1, version: 2 }, entry({ endpoints: { blue: [b.endpoint], green: [] } }), signal);
    let drained = false;
    const draining = router.drain('web', ['a'], 30_000, signal).then((left) => {
      drained = true;
      return left;
    });
    await router.upgrade(settings, signal);
    expect(await echo(router.listen.port)).toMatchObject({ instance: 'b' });
    expect(drained).toBe(false);
    instance.release();
    expect((await held).body).toBe('held');
    expect(await draining).toEqual({ inFlight: 0, streams: 0 });
    await b.kill();
  });

  it('is stopped with the processes that it has just replaced', async () => {
    const before = await settled(2);
    const { port } = router.listen;
    await router.upgrade(settings, signal);
    await router.close();
    expect(await stopGateway(stateDir, 0)).toBe(true);
    await until(
      () => [before.pid, ...before.workers.map(({ pid }) => pid)].every((pid) => !isAlive(pid)),
      'the old processes have ended',
    );
    await expect(ask(port, '/')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('tells WebSockets 1012 and ends event streams when their time in the old process is over', async () => {
    const client = await openWebSocket(router.listen.port);
    const events = await openEvents(router.listen.port);
    await until(() => events.text().includes('data: {"n":2}\n\n'), 'events');
    await router.upgrade({ ...settings, lingerMs: 300 }, signal);
    expect(await client.closed).toEqual({ code: 1012 });
    expect(await events.ended).toEqual({ clean: true });
    await settled(2, ({ workers }) => workers.length === 2);
  });

  it('keeps what was counted, and counts on', async () => {
    const counted = async (): Promise<number> => {
      const now = Math.floor(Date.now() / 1000);
      let seconds = await router.traffic('web', 0, signal);
      await until(async () => {
        seconds = await router.traffic('web', 0, signal);
        return (seconds.at(-1)?.second ?? 0) >= now;
      }, 'the current second is closed');
      const named = seconds.map(({ second }) => second);
      expect(named).toEqual([...new Set(named)].sort((a, b) => a - b));
      return seconds.reduce((sum, { arms }) => sum + arms.stable.requests, 0);
    };
    const client = await openWebSocket(router.listen.port);
    for (let n = 0; n < 20; n += 1) await ask(router.listen.port, '/');
    expect(await counted()).toBe(21);
    for (let n = 0; n < 10; n += 1) await ask(router.listen.port, '/');
    const agentless = Array.from({ length: 10 }, () => ask(router.listen.port, '/held'));
    await instance.held(10);
    await router.upgrade(settings, signal);
    instance.release();
    await Promise.all(agentless);
    for (let n = 0; n < 5; n += 1) await ask(router.listen.port, '/');
    expect(await counted()).toBe(46);
    client.socket.terminate();
  });

  it('drains streams of an instance in the old process too', async () => {
    const b = await startInstance('b');
    const client = await openWebSocket(router.listen.port);
    const events = await openEvents(router.listen.port);
    await router.upgrade(settings, signal);
    await router.write({ epoch: 1, version: 2 }, entry({ endpoints: { blue: [b.endpoint], green: [] } }), signal);
    expect(await router.drain('web', ['a'], 200, signal)).toEqual({ inFlight: 0, streams: 0 });
    expect(await client.closed).toEqual({ code: 1001 });
    expect(await events.ended).toEqual({ clean: true });
    await b.kill();
  });

  it('goes on as it was when the new one cannot start, and says why', async () => {
    const running = await load();
    const { pid } = router;
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const failure = await router
      .upgrade({ ...settings, http: { host: '127.0.0.1', port } }, signal)
      .catch((error: unknown) => error);
    taken.close();
    expect(failure).toBeInstanceOf(GatewayUpgradeError);
    expect(String(failure)).toContain(`another program listens on 127.0.0.1:${port}`);
    await running.more(100);
    await running.streamsLive();
    expect(running.wrong).toEqual([]);
    const health = await settled(2);
    expect(health).toMatchObject({ pid, generation: 1 });
    expect(health.workers).toHaveLength(2);
    await router.write({ epoch: 1, version: 2 }, entry(), signal);
  });

  it('loses nothing when the supervisor is killed: workers go on and start another one', async () => {
    const running = await load();
    const before = await settled(2);
    process.kill(before.pid, 'SIGKILL');
    await running.more(200);
    const after = await settled(2, ({ pid }) => pid !== before.pid);
    expect(after.generation).toBe(2);
    await running.streamsLive();
    await router.write({ epoch: 1, version: 2 }, entry(), signal);
    await running.more(100);
    expect(running.wrong).toEqual([]);
    // It has the sockets too: it can be replaced as any other.
    await router.upgrade(settings, signal);
    await running.more(100);
    await running.streamsLive();
    expect(running.wrong).toEqual([]);
  });

  it('replaces a worker that was killed; its connections alone are lost', async () => {
    const before = await settled(2);
    const [victim, other] = before.workers;
    if (victim === undefined || other === undefined) throw new Error('two workers were expected');
    process.kill(victim.pid, 'SIGKILL');
    // Connections that wait in the shared queue are taken by whoever is there.
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(router.listen.port, '/')));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const after = await settled(2);
    expect(after.pid).toBe(before.pid);
    const pids = after.workers.map(({ pid }) => pid);
    expect(pids).toContain(other.pid);
    expect(pids).not.toContain(victim.pid);
  });

  it('replaces a worker that is told to end before it ends, and loses nothing', async () => {
    const running = await load();
    const before = await settled(2);
    for (const { pid } of before.workers) process.kill(pid, 'SIGTERM');
    await settled(2, ({ workers }) =>
      workers.every(({ pid, state }) => state === 'retired' || !before.workers.some((one) => one.pid === pid)),
    );
    await running.more(100);
    await running.streamsLive();
    expect(running.wrong).toEqual([]);
  });

  it('does not let a worker that hangs hold up a write for long', async () => {
    const b = await startInstance('b');
    const { workers } = await settled(2);
    const hanging = workers[0]?.pid ?? 0;
    process.kill(hanging, 'SIGSTOP');
    const began = performance.now();
    await router.write({ epoch: 1, version: 2 }, entry({ endpoints: { blue: [b.endpoint], green: [] } }), signal);
    expect(performance.now() - began).toBeLessThan(6_000);
    expect(isAlive(hanging)).toBe(false);
    for (let n = 0; n < 20; n += 1) expect(await echo(router.listen.port)).toMatchObject({ instance: 'b' });
    await settled(2);
    await b.kill();
  });

  it('is replaced though nothing can be noted in its state folder', async () => {
    // As on a full disk: the lock cannot be written anew.
    await mkdir(path.join(stateDir, 'gateway', 'lock.tmp'));
    const running = await load();
    expect(await router.upgrade(settings, signal)).toMatchObject({ generation: 2 });
    await running.more(50);
    expect(running.wrong).toEqual([]);
    await settled(2);
  });

  it('leaves no process behind when it cannot start', async () => {
    const elsewhere = await mkdtemp(path.join(os.tmpdir(), 'veza-gateway-'));
    // Its control socket, the last thing it takes, is a folder that is not empty.
    await mkdir(path.join(elsewhere, 'gateway', 'control.sock', 'x'), { recursive: true });
    await expect(createGatewayRouter({ stateDir: elsewhere, settings })).rejects.toThrow(GatewayStartError);
    await until(async () => (await processesOf(elsewhere)).length === 0, 'all of its processes have ended');
    await rm(elsewhere, { recursive: true });
  });

  it('is kept when the certificates of the next one are of no use, and goes on showing its own', async () => {
    const file = (name: string): string => path.join(stateDir, name);
    const good = await makeLeaf(['shop.test'], null, { from: Date.now(), ms: 86_400_000 }, randomBytes(16));
    const other = await makeLeaf(['shop.test'], null, { from: Date.now(), ms: 86_400_000 }, randomBytes(16));
    const old = await makeLeaf(
      ['shop.test'],
      null,
      { from: Date.now() - 172_800_000, ms: 86_400_000 },
      randomBytes(16),
    );
    for (const [name, text] of Object.entries({
      'good.pem': good.certificate,
      'good.key': good.key,
      'other.key': other.key,
      'old.pem': old.certificate,
      'old.key': old.key,
    }))
      await writeFile(file(name), text);
    const port = await freePort('127.0.0.1', 0);
    const withFiles = (certificate: string, key: string): GatewaySettings => ({
      ...settings,
      https: {
        host: '127.0.0.1',
        port,
        minVersion: 'TLSv1.2',
        http2: true,
        redirect: false,
        hsts: null,
        certificates: [{ kind: 'files', certificate: file(certificate), key: file(key) }],
      },
    });
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? 'none');
          socket.destroy();
        });
        socket.once('error', reject);
      });
    await router.upgrade(withFiles('good.pem', 'good.key'), signal);
    const before = router.pid;
    const own = new X509Certificate(good.certificate).fingerprint256;
    for (const [certificate, key, reason] of [
      ['missing.pem', 'good.key', /missing\.pem cannot be used: it cannot be read \(ENOENT\)\. The old one goes on/],
      ['good.pem', 'other.key', /other\.key cannot be used: it is not the key of the certificate in .*good\.pem/],
      ['old.pem', 'old.key', /old\.pem expired on /],
    ] as const) {
      const failure = await router.upgrade(withFiles(certificate, key), signal).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(GatewayUpgradeError);
      expect((failure as Error).message).toMatch(reason);
      expect((await router.health(signal)).pid).toBe(before);
      expect(await shown()).toBe(own);
    }
    // Files that became of no use behind it are no reason for a supervisor that has died to stay dead.
    await writeFile(file('good.key'), 'nonsense');
    await expect(router.upgrade(withFiles('good.pem', 'good.key'), signal)).rejects.toThrow(/no PEM private key/);
    process.kill(before, 'SIGKILL');
    await settled(2, ({ pid }) => pid !== before);
    // And where nothing can be shown, a replacement makes nothing worse.
    expect((await router.upgrade(withFiles('good.pem', 'good.key'), signal)).certificates[0]?.shown).toBe('nothing');
  });

  it('opens an address that is added, by hand-over', async () => {
    const running = await load();
    const port = await freePort('127.0.0.1', 0);
    const health = await router.upgrade(
      {
        ...settings,
        https: {
          host: '127.0.0.1',
          port,
          minVersion: 'TLSv1.2',
          http2: true,
          redirect: false,
          hsts: null,
          certificates: [{ kind: 'development', hosts: ['shop.test'] }],
        },
      },
      signal,
    );
    expect(health.https).toEqual({ host: '127.0.0.1', port });
    await running.more(50);
    expect(running.wrong).toEqual([]);
    expect(health.certificates).toMatchObject([{ hosts: ['shop.test', '127.0.0.1', '::1'], source: 'development' }]);
    const secure = await new Promise<number>((resolve, reject) => {
      // The authority was made a moment ago; who it is does not matter here.
      const request = https.get(
        { host: '127.0.0.1', port, servername: 'shop.test', rejectUnauthorized: false, agent: false },
        (response) => {
          response.resume();
          response.once('end', () => resolve(response.statusCode ?? 0));
        },
      );
      request.once('error', reject);
    });
    expect(secure).toBe(200);
  });
});
