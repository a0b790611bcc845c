import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import httpsClient from 'node:https';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/system/free-port.ts';
import { boundsOf } from '../../src/core/analysis/histogram.ts';
import type { GatewaySettings } from '../../src/core/gateway-settings.ts';
import type { RouteEdge } from '../../src/core/route-edge.ts';
import { plainEdge, type RouteTableEntry } from '../../src/core/route-table.ts';
import {
  createGatewayRouter,
  stopGateway,
  type GatewayRouter,
} from '../../src/drivers/router/gateway/gateway-router.ts';
import { ask as askSocket } from '../../src/drivers/router/haproxy/command-socket.ts';
import { stateFiles } from '../../src/drivers/router/haproxy/haproxy-files.ts';
import {
  createHaproxyRouter,
  stopHaproxy,
  type HaproxyEvent,
  type HaproxyPlace,
  type HaproxyRouter,
} from '../../src/drivers/router/haproxy/haproxy-router.ts';
import {
  HaproxyMissingError,
  HaproxyRefusedError,
  HaproxyStartError,
  StaleRouterWriteError,
} from '../../src/errors.ts';
import { makeLeaf } from '../../src/gateway/tls/x509.ts';
import { ask, echo, openWebSocket } from './router-client.ts';
import { startInstance, until, type Instance } from './router-instance.ts';
import { routerContract } from './router.contract.ts';

const settings: GatewaySettings = {
  workers: null,
  http: { host: '127.0.0.1', port: 0 },
  https: null,
  accessLog: null,
  lingerMs: 60_000,
};

routerContract('haproxy', { earlyAnswer: 'answer-or-reset' }, async () => {
  const stateDir = await mkdtemp(path.join(os.tmpdir(), 'veza-haproxy-'));
  const relayDir = path.join(stateDir, 'streams');
  const streams = await createGatewayRouter({ stateDir: relayDir, settings: { ...settings, workers: 1 } });
  const router = await createHaproxyRouter({ stateDir, settings, streams });
  return {
    router,
    publicPort: router.listen.port,
    internalPort: await freePort('127.0.0.1', 0),
    crash: async () => {
      const worker = await router.worker(AbortSignal.timeout(5_000));
      if (worker !== null) process.kill(worker, 'SIGKILL');
    },
    end: async () => {
      await router.close();
      await streams.close();
      await stopHaproxy(stateDir, 0);
      await stopGateway(relayDir, 0);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
});

describe('the haproxy process', () => {
  const signal = AbortSignal.timeout(600_000);
  let stateDir: string;
  let streams: GatewayRouter;
  let routers: HaproxyRouter[];
  let events: HaproxyEvent[];
  let instance: Instance;
  let internalPort: number;

  beforeEach(async () => {
    stateDir = await mkdtemp(path.join(os.tmpdir(), 'veza-haproxy-'));
    streams = await createGatewayRouter({
      stateDir: path.join(stateDir, 'streams'),
      settings: { ...settings, workers: 1 },
    });
    routers = [];
    events = [];
    instance = await startInstance('a');
    internalPort = await freePort('127.0.0.1', 0);
  });

  afterEach(async () => {
    await Promise.all(routers.map((router) => router.close()));
    await streams.close();
    await stopHaproxy(stateDir, 0);
    await stopGateway(path.join(stateDir, 'streams'), 0);
    await instance.kill();
    await rm(stateDir, { recursive: true, force: true });
  });

  async function open(place: Partial<HaproxyPlace> = {}): Promise<HaproxyRouter> {
    const router = await createHaproxyRouter({
      stateDir,
      settings,
      streams,
      onEvent: (event) => events.push(event),
      ...place,
    });
    routers.push(router);
    return router;
  }

  function entry(changes: Partial<RouteTableEntry> = {}, edge: Partial<RouteEdge> = {}): RouteTableEntry {
    return {
      service: 'web',
      public: { hosts: [], paths: ['/'], sticky: false, canaryHeader: null },
      internalPort,
      proxy: { responseTimeoutMs: 5_000, idleTimeoutMs: 5_000, maxBodyBytes: null, drainMs: 500 },
      stable: 'blue',
      edge: { ...plainEdge, ...edge },
      candidateWeight: 0,
      endpoints: { blue: [instance.endpoint], green: [] },
      releases: { blue: 'rel_1', green: null },
      ...changes,
    } as unknown as RouteTableEntry;
  }

  const admin = (command: string): Promise<string> => askSocket(stateFiles(stateDir).admin, command, signal);
  const said = (kind: HaproxyEvent['kind'], words: RegExp): boolean =>
    events.some((event) => event.kind === kind && words.test(event.message));

  it('loses no request over ten reloads, on kept connections and on new ones', async () => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    const load = { running: true };
    const wrong: string[] = [];
    let done = 0;
    const clients = Array.from({ length: 10 }, async (_, n) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      while (load.running) {
        const answer = await ask(router.listen.port, n % 2 === 0 ? '/upload' : '/', {
          ...(n % 2 === 0 ? { method: 'POST', body: 'x'.repeat(3_000) } : {}),
          ...(n < 6 ? { agent } : {}),
        }).catch((error: Error) => error);
        done += 1;
        if (answer instanceof Error) wrong.push(answer.message);
        else if (answer.status !== 200) wrong.push(`${answer.status} ${answer.body}`);
      }
      agent.destroy();
    });
    const workers = new Set<number | null>();
    for (let version = 2; version <= 11; version += 1) {
      // A path more is another structure.
      const paths = ['/', `/v${version}`];
      const route = { hosts: [], paths, sticky: false, canaryHeader: null } as unknown as RouteTableEntry['public'];
      await router.write({ epoch: 1, version }, entry({ public: route }), signal);
      workers.add(await router.worker(signal));
      const reached = done + 20;
      await until(() => done >= reached, 'traffic between two reloads');
    }
    load.running = false;
    await Promise.all(clients);
    expect(wrong).toEqual([]);
    expect(workers.size).toBe(10);
    expect((await readdir(stateFiles(stateDir).history)).length).toBeGreaterThanOrEqual(10);
    const counted = async (): Promise<number> =>
      (await router.traffic('web', 0, signal)).reduce((sum, { arms }) => sum + arms.stable.requests, 0);
    await until(async () => (await counted()) >= done, 'every request is counted');
    expect(await counted()).toBe(done);
  });

  it('loses and doubles no request while mirroring begins and ends, and adds no address of its own', async () => {
    const candidate = await startInstance('b');
    const router = await open();
    const endpoints = { blue: [instance.endpoint], green: [candidate.endpoint] };
    await router.write({ epoch: 1, version: 1 }, entry({ endpoints }), signal);
    const load = { running: true };
    const wrong: string[] = [];
    let done = 0;
    const clients = Array.from({ length: 6 }, async (_, n) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      while (load.running) {
        const answer = await echo(router.listen.port, n < 4 ? { agent } : {}, '/x').catch((error: Error) => error);
        done += 1;
        if (answer instanceof Error) wrong.push(answer.message);
        else if (answer.instance !== 'a') wrong.push(`answered by ${answer.instance}`);
        else if (answer.headers['x-forwarded-for'] !== '127.0.0.1') wrong.push(`${answer.headers['x-forwarded-for']}`);
        else if (answer.headers['via'] !== '1.1 veza') wrong.push(`via ${answer.headers['via']}`);
      }
      agent.destroy();
    });
    for (let version = 2; version <= 13; version += 1) {
      const mirror = version % 2 === 0 ? { mirror: { share: 100, shapes: true } } : {};
      await router.write({ epoch: 1, version }, entry({ endpoints, ...mirror }), signal);
      const reached = done + 40;
      await until(() => done >= reached, 'traffic');
    }
    load.running = false;
    await Promise.all(clients);
    expect(wrong).toEqual([]);
    const counted = async () => {
      const seconds = await router.traffic('web', 0, signal);
      const copies = seconds.reduce((sum, { mirror }) => sum + (mirror?.pairs ?? 0), 0);
      const [stable, other] = (['stable', 'candidate'] as const).map((arm) =>
        seconds.reduce((sum, { arms }) => sum + arms[arm].requests, 0),
      );
      return { stable, other, copies };
    };
    await until(async () => ((await counted()).stable ?? 0) >= done, 'every request is counted');
    const { stable, other, copies } = await counted();
    expect({ stable, other }).toEqual({ stable: done, other: 0 });
    expect(copies).toBeGreaterThan(50);
    // A copy that was on its way when mirroring ended has no pair.
    expect(copies).toBeLessThanOrEqual(candidate.requests());
    await candidate.kill();
  });

  it('copies the share that is declared, and sends all else to stable directly', async () => {
    const candidate = await startInstance('b');
    const router = await open();
    const endpoints = { blue: [instance.endpoint], green: [candidate.endpoint] };
    const mirror = { share: 25, shapes: false };
    await router.write({ epoch: 1, version: 1 }, entry({ endpoints, mirror }), signal);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; n < 80; n += 1) expect((await echo(router.listen.port, { agent })).instance).toBe('a');
    agent.destroy();
    const pairs = async () =>
      (await router.traffic('web', 0, signal)).reduce((sum, { mirror: found }) => sum + (found?.pairs ?? 0), 0);
    await until(async () => (await pairs()) === 20, 'a copy of every fourth');
    expect(candidate.requests()).toBe(20);
    const relayed = (await admin('show stat')).split('\n').find((line) => line.startsWith('web.copied,BACKEND,'));
    expect(Number(relayed?.split(',')[7])).toBe(20);
    await candidate.kill();
  });

  it('answers users of a service that is mirrored while the gateway that copies is gone', async () => {
    const candidate = await startInstance('b');
    const router = await open();
    const endpoints = { blue: [instance.endpoint], green: [candidate.endpoint] };
    const mirror = { share: 100, shapes: false };
    await router.write({ epoch: 1, version: 1 }, entry({ endpoints, mirror }), signal);
    expect((await echo(router.listen.port)).instance).toBe('a');
    await until(() => candidate.requests() === 1, 'the copy');
    await stopGateway(path.join(stateDir, 'streams'), 0);
    for (let n = 0; n < 30; n += 1) expect((await echo(router.listen.port)).instance).toBe('a');
    expect(candidate.requests()).toBe(1);
    await until(async () => {
      const seconds = await router.traffic('web', 0, signal);
      return seconds.reduce((sum, { arms }) => sum + arms.stable.requests, 0) === 31;
    }, 'all are counted, though the gateway says nothing');
    await candidate.kill();
  });

  it('sends what the gateway would refuse to stable as ever, and mirrors no more what it cannot read', async () => {
    const router = await open();
    const candidate = await startInstance('b');
    const odd = net
      .createServer((socket) => {
        // Two ways to say where the answer ends: HAProxy takes the second.
        const chunked =
          'HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nodd\r\n0\r\n\r\n';
        socket.on('data', () => socket.end(chunked)).on('error', () => {});
      })
      .listen(0, '127.0.0.1');
    await new Promise((resolve) => odd.once('listening', resolve));
    const endpoints = { blue: [instance.endpoint], green: [candidate.endpoint] };
    const mirror = { share: 100, shapes: false };
    await router.write({ epoch: 1, version: 1 }, entry({ endpoints, mirror }), signal);
    const host = { host: 'shop.example' };
    const asked = [
      { path: `/?${'x'.repeat(9_000)}`, headers: host },
      { path: '/', headers: { ...host, X_Forwarded_For: '1.2.3.4' } },
      { path: '/', headers: { host: 'under_score.example' } },
      { path: '/', headers: { ...host, range: 'bytes=0-1' } },
      ...[1, 2].map(() => ({ path: '/copied', headers: host })),
    ];
    const statuses: number[] = [];
    for (const { path: target, headers } of asked)
      statuses.push((await ask(router.listen.port, target, { headers })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200]);
    await until(() => candidate.requests() === 2, 'the two copies');
    const { port } = odd.address() as AddressInfo;
    const oddly = { blue: [{ id: 'odd', host: '127.0.0.1', port }], green: [candidate.endpoint] };
    await router.write({ epoch: 1, version: 2 }, entry({ endpoints: oddly, mirror }), signal);
    const first = await ask(router.listen.port, '/', { headers: host });
    expect(first.headers['x-veza-error']).toBe('instance-protocol');
    for (let n = 0; n < 5; n += 1) expect((await ask(router.listen.port, '/', { headers: host })).body).toBe('odd');
    odd.close();
    await candidate.kill();
  });

  it('keeps no path of a user in a file, but labels', async () => {
    const candidate = await startInstance('b');
    const first = await open();
    const endpoints = { blue: [instance.endpoint], green: [candidate.endpoint] };
    await first.write({ epoch: 1, version: 1 }, entry({ endpoints, candidateWeight: 50 }), signal);
    for (let n = 0; n < 10; n += 1) await ask(first.listen.port, `/users/anna@example.com/${n}`);
    await until(async () => {
      const seconds = await first.traffic('web', 0, signal);
      return seconds.some(({ arms }) => arms.stable.routes?.some(({ route }) => route === 'GET /users/:id/:id'));
    }, 'they are counted by route');
    await first.close();
    const { requests, counts } = stateFiles(stateDir);
    const written = async (): Promise<string> => {
      const names = await readdir(requests);
      const texts = await Promise.all(names.map((name) => readFile(path.join(requests, name), 'latin1')));
      return texts.join('') + (await readFile(counts, 'latin1'));
    };
    expect(await written()).not.toContain('anna');
    // Nobody reads for longer than HAProxy believes that somebody does.
    const until10 = Date.now() + 11_500;
    await until(() => Date.now() > until10, 'a while');
    await ask(first.listen.port, '/users/anna@example.com');
    await until(async () => /^V1 /m.test((await written()).replaceAll('\0', '')), 'the line');
    expect(await written()).not.toContain('anna');
    const again = await open();
    await until(async () => {
      const seconds = await again.traffic('web', 0, signal);
      return seconds.reduce((sum, { arms }) => sum + arms.stable.requests + arms.candidate.requests, 0) === 11;
    }, 'it is counted all the same');
    await candidate.kill();
  });

  it('lets a kept connection follow a structure that came after it', async () => {
    const b = await startInstance('b');
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    expect((await echo(router.listen.port, { agent }, '/x')).instance).toBe('a');
    const other = {
      service: 'other',
      internalPort: await freePort('127.0.0.1', 0),
      endpoints: { blue: [b.endpoint], green: [] },
      public: { hosts: [], paths: ['/x'], sticky: false, canaryHeader: null },
    } as unknown as Partial<RouteTableEntry>;
    await router.write({ epoch: 1, version: 1 }, entry(other), signal);
    const after = await echo(router.listen.port, { agent }, '/x');
    expect(after.instance).toBe('b');
    expect(after.headers['x-forwarded-for']).toBe('127.0.0.1');
    agent.destroy();
    await b.kill();
  });

  it.each(['master', 'worker'] as const)('comes back with its table when its %s is killed', async (which) => {
    const router = await open();
    await router.write({ epoch: 3, version: 2 }, entry(), signal);
    const { pid } = router;
    process.kill(which === 'master' ? pid : ((await router.worker(signal)) ?? 0), 'SIGKILL');
    await until(() => said('restarted', /had died/), 'an event says so');
    expect(router.pid).not.toBe(pid);
    expect((await ask(router.listen.port, '/')).status).toBe(200);
    expect((await router.observe(signal))[0]?.stamp).toEqual({ epoch: 3, version: 2 });
  });

  it.each(['master', 'worker'] as const)('refuses no connection when its %s is killed', async (which) => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    // A structure that came by a reload, as in a HAProxy that has run for a while.
    const route = { hosts: [], paths: ['/', '/x'], sticky: false, canaryHeader: null };
    const moved = { public: route } as unknown as Partial<RouteTableEntry>;
    await router.write({ epoch: 1, version: 2 }, entry(moved), signal);
    for (let kill = 0; kill < 2; kill += 1) {
      const { pid } = router;
      process.kill(which === 'master' ? pid : ((await router.worker(signal)) ?? 0), 'SIGKILL');
      const failures: unknown[] = [];
      let answered = 0;
      while (router.pid === pid || answered < 10) {
        const status = await ask(router.listen.port, '/').then(
          (answer) => answer.status,
          (error: NodeJS.ErrnoException) => error.code,
        );
        if (status === 200) answered += 1;
        else failures.push(status);
      }
      expect(failures.filter((code) => code !== 'ECONNRESET')).toEqual([]);
      // No more than what was in flight when it died.
      expect(failures.length).toBeLessThanOrEqual(1);
    }
  });

  it('undoes what somebody wrote into its configuration, also when it was loaded', async () => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    const files = stateFiles(stateDir);
    const before = await readFile(files.config, 'utf8');
    await appendFile(files.config, '\nfrontend mine\n  bind 127.0.0.1:0\n');
    await askSocket(files.master, 'reload', signal);
    await until(() => said('repaired', /changed by somebody else/), 'an event says so');
    expect(await readFile(files.config, 'utf8')).toBe(before);
    expect(await admin('show stat')).not.toContain('mine,');
    expect((await ask(router.listen.port, '/')).status).toBe(200);
  });

  it.each([
    ['set server web.blue/a weight 50%', /web.blue\/a had the weight/],
    ['set server web.blue/a state maint', /web.blue\/a was out of service/],
    ['set server web.blue/a addr 127.0.0.1 port 9', /web.blue\/a had another address/],
    ['add server web.blue/stranger 127.0.0.1:9', /stranger/],
    ['veza arms web 1 1 green 0 1 0 - - 0 - - 0', /arms of web/],
    ['set map PLAIN web green|-|-', /arms of web/],
  ])('puts right what "%s" did', async (command, words) => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    await admin(command.replace('PLAIN', stateFiles(stateDir).plain));
    if (command.startsWith('add')) await admin('set server web.blue/stranger state ready');
    await until(() => said('repaired', words), 'an event says what was found');
    await until(
      async () => (await ask(router.listen.port, '/').catch(() => null))?.status === 200,
      'requests are answered',
    );
    expect(events.filter(({ kind }) => kind === 'failed')).toEqual([]);
  });

  it('refuses a driver with an older lease, and refuses its commands in HAProxy itself', async () => {
    const [old, young] = [await open(), await open()];
    expect(young.pid).toBe(old.pid);
    await old.write({ epoch: 1, version: 1 }, entry(), signal);
    await young.write({ epoch: 2, version: 1 }, entry(), signal);
    await expect(old.write({ epoch: 1, version: 2 }, entry({ candidateWeight: 100 }), signal)).rejects.toBeInstanceOf(
      StaleRouterWriteError,
    );
    expect((await admin('veza arms web 1 2 blue 100 1 1 - - 0 - - 0')).trim()).toBe('stale 2 1');
    expect((await admin('veza show')).trim()).toMatch(/^web 2 1 blue 0 /);
  });

  it('refuses an internal port that is taken, and keeps what is in force', async () => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const refused = await router
      .write({ epoch: 1, version: 2 }, entry({ internalPort: port }), signal)
      .catch((error: unknown) => error);
    taken.close();
    expect(refused).toBeInstanceOf(HaproxyRefusedError);
    expect(refused).toMatchObject({ reason: 'port-unavailable' });
    expect((await router.observe(signal))[0]?.stamp).toEqual({ epoch: 1, version: 1 });
    expect((await ask(router.listen.port, '/')).status).toBe(200);
  });

  it('says why it cannot start', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const failure = await open({ settings: { ...settings, http: { host: '127.0.0.1', port } } }).catch(
      (error: unknown) => error,
    );
    taken.close();
    expect(failure).toBeInstanceOf(HaproxyStartError);
    expect(String(failure)).toMatch(/Address already in use/);
    await expect(open({ program: '/nonexistent/haproxy' })).rejects.toBeInstanceOf(HaproxyMissingError);
    await expect(open({ program: process.execPath })).rejects.toBeInstanceOf(HaproxyMissingError);
  });

  it('refuses what only the gateway can do', async () => {
    const https = {
      host: '127.0.0.1',
      port: 1,
      minVersion: 'TLSv1.2',
      http2: true,
      redirect: true,
      hsts: null,
      certificates: [{ kind: 'development', hosts: ['shop.example'] }],
    } as const;
    await expect(open({ settings: { ...settings, https } })).rejects.toThrow(/from files only/);
    await expect(open({ settings: { ...settings, accessLog: { addresses: 'truncated' } } })).rejects.toThrow(
      /no access log/,
    );
  });

  it('stays down when it was told to stop, and answers what is in flight first', async () => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    const held = ask(router.listen.port, '/held');
    await instance.held(1);
    const stopped = stopHaproxy(stateDir, 10_000);
    await until(async () => (await admin('show info').catch(() => null)) === null, 'it takes no new connections');
    // Refused, or it waits in the queue of a socket that HAProxy's master closes with its end.
    const late = ask(router.listen.port, '/').catch((error: NodeJS.ErrnoException) => error.code);
    instance.release();
    expect((await held).body).toBe('held');
    expect(await stopped).toBe(true);
    expect(await late).toMatch(/^ECONN(?:RESET|REFUSED)$/);
    expect(await ask(router.listen.port, '/').catch((error: NodeJS.ErrnoException) => error.code)).toBe('ECONNREFUSED');
    await expect(router.write({ epoch: 1, version: 2 }, entry(), signal)).rejects.toBeInstanceOf(HaproxyStartError);
    const again = await open();
    expect((await again.observe(signal))[0]?.stamp).toEqual({ epoch: 1, version: 1 });
    expect((await ask(again.listen.port, '/')).status).toBe(200);
  });

  it('counts what was answered while nobody watched', async () => {
    const first = await open();
    await first.write({ epoch: 1, version: 1 }, entry(), signal);
    await first.close();
    for (let n = 0; n < 5; n += 1) await ask(first.listen.port, '/status?code=500');
    const router = await open();
    const errors = async (): Promise<number> =>
      (await router.traffic('web', 0, signal)).reduce((sum, { arms }) => sum + arms.stable.serverErrors, 0);
    await until(async () => (await errors()) === 5, 'five errors are counted');
    const named = (await router.traffic('web', 0, signal)).map(({ second }) => second);
    expect(named).toEqual(named.map((_, i) => (named[0] ?? 0) + i));
  });

  it('keeps what is hidden from users however it is spelled, and adds headers that are declared', async () => {
    const router = await open();
    const edge = { hidden: ['/metrics'], headers: { 'x-frame-options': 'DENY', 'x-instance': 'mine' } };
    await router.write({ epoch: 1, version: 1 }, entry({}, edge), signal);
    for (const target of ['/metrics', '/metrics/x', '//metrics', '/%6detrics', '/x/../METRICS', '/metrics;a=b']) {
      expect([target, (await ask(router.listen.port, target)).status]).toEqual([target, 404]);
    }
    expect((await ask(internalPort, '/metrics')).status).toBe(200);
    const { status, headers } = await ask(router.listen.port, '/metricsx');
    expect({ status, frame: headers['x-frame-options'], from: headers['x-instance'] }).toEqual({
      status: 200,
      frame: 'DENY',
      from: 'a',
    });
  });

  it('limits the rate of a client and says when there is room again', async () => {
    const router = await open();
    const edge = { rateLimits: [{ requestsPerSecond: 0.1, burst: 3, per: 'client', path: '/status' } as const] };
    await router.write({ epoch: 1, version: 1 }, entry({}, edge), signal);
    const statuses: number[] = [];
    for (let n = 0; n < 5; n += 1) statuses.push((await ask(router.listen.port, '/status?code=200')).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    const over = await ask(router.listen.port, '/status');
    expect(over.headers['x-veza-error']).toBe('rate-limited');
    expect(Number(over.headers['retry-after'])).toBeGreaterThan(5);
    expect((await ask(router.listen.port, '/')).status).toBe(200);
  });

  it('compresses what is declared to be, for clients that take it, and leaves the rest alone', async () => {
    const router = await open();
    const text = 'hello '.repeat(400);
    const pages = http
      .createServer((request, answer) => {
        answer.writeHead(200, { 'content-type': request.url === '/picture' ? 'image/png' : 'text/html' }).end(text);
      })
      .listen(0, '127.0.0.1');
    await new Promise((resolve) => pages.once('listening', resolve));
    const { port } = pages.address() as AddressInfo;
    const changes = { endpoints: { blue: [{ id: 'pages', host: '127.0.0.1', port }], green: [] } };
    const get = async (path: string, encoding: string): Promise<readonly [string | null, string]> => {
      const headers = { 'accept-encoding': encoding };
      const answer = await fetch(`http://127.0.0.1:${router.listen.port}${path}`, { headers });
      return [answer.headers.get('content-encoding'), await answer.text()];
    };
    await router.write({ epoch: 1, version: 1 }, entry(changes, { compress: true }), signal);
    expect(await get('/', 'gzip')).toEqual(['gzip', text]);
    expect(await get('/', 'identity')).toEqual([null, text]);
    expect(await get('/picture', 'gzip')).toEqual([null, text]);
    await router.write({ epoch: 1, version: 2 }, entry(changes, { compress: false }), signal);
    expect(await get('/', 'gzip')).toEqual([null, text]);
    pages.closeAllConnections();
    pages.close();
  });

  it('shows the page of a service under maintenance to users only', async () => {
    const router = await open();
    const edge = { maintenance: { retryAfterSeconds: 30, html: '<h1>100 % "soon" $HOME</h1>' } };
    await router.write({ epoch: 1, version: 1 }, entry({}, edge), signal);
    const page = await ask(router.listen.port, '/');
    expect(page).toMatchObject({ status: 503, body: '<h1>100 % "soon" $HOME</h1>' });
    expect(page.headers).toMatchObject({ 'retry-after': '30', 'x-veza-error': 'maintenance' });
    expect((await ask(internalPort, '/')).status).toBe(200);
    await router.write({ epoch: 1, version: 2 }, entry(), signal);
    expect((await ask(router.listen.port, '/')).status).toBe(200);
  });

  it('lets WebSockets live through a reload, and tells them when their instance goes', async () => {
    const b = await startInstance('b');
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    const client = await openWebSocket(router.listen.port);
    const route = { hosts: [], paths: ['/', '/x'], sticky: false, canaryHeader: null };
    const endpoints = { blue: [b.endpoint], green: [] };
    const moved = { public: route, endpoints } as unknown as Partial<RouteTableEntry>;
    await router.write({ epoch: 1, version: 2 }, entry(moved), signal);
    client.socket.send('still here');
    await until(() => client.messages.includes('still here'), 'it goes on');
    expect(await router.drain('web', ['a'], 100, signal)).toEqual({ inFlight: 0, streams: 0 });
    expect(await client.closed).toEqual({ code: 1001 });
    await b.kill();
  });

  it('does not hold the slow upload of a user against the release', async () => {
    const router = await open();
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    async function* pieces() {
      yield Buffer.from('first half,');
      await new Promise((resolve) => setTimeout(resolve, 600));
      yield Buffer.from('second half');
    }
    const headers = { 'content-length': 22 };
    expect((await ask(router.listen.port, '/upload', { method: 'POST', headers, pieces: pieces() })).status).toBe(200);
    const latencies = async () =>
      (await router.traffic('web', 0, signal)).flatMap(({ arms }) => arms.stable.latency.map(([bucket]) => bucket));
    await until(async () => (await latencies()).length === 1, 'it is counted');
    expect(boundsOf((await latencies())[0] ?? Infinity).toMs).toBeLessThan(500);
  });

  it('speaks TLS with certificates from files, and sends plain requests there', async () => {
    const pair = await makeLeaf(['localhost'], null, { from: Date.now(), ms: 86_400_000 }, randomBytes(16));
    const [certificate, key] = [path.join(stateDir, 'c.pem'), path.join(stateDir, 'k.pem')];
    await Promise.all([writeFile(certificate, pair.certificate), writeFile(key, pair.key)]);
    const port = await freePort('127.0.0.1', 0);
    const https = {
      host: '127.0.0.1',
      port,
      minVersion: 'TLSv1.2',
      http2: true,
      redirect: true,
      hsts: { maxAgeSeconds: 60, includeSubDomains: false, preload: false },
      certificates: [{ kind: 'files', certificate, key }],
    } as const;
    const router = await open({ settings: { ...settings, https } });
    await router.write({ epoch: 1, version: 1 }, entry(), signal);
    const plain = await ask(router.listen.port, '/a?b=c', { headers: { host: 'localhost' } });
    expect(plain).toMatchObject({ status: 308, headers: { location: `https://localhost:${port}/a?b=c` } });
    const get = (ca: string) =>
      new Promise<{ status: number; hsts: unknown; proto: string }>((resolve, reject) => {
        const request = httpsClient.get(
          { host: '127.0.0.1', port, path: '/', servername: 'localhost', ca, agent: false },
          (response) => {
            let text = '';
            response.on('data', (chunk: Buffer) => (text += chunk.toString()));
            response.on('end', () => {
              const { headers } = JSON.parse(text) as { headers: Record<string, string> };
              resolve({
                status: response.statusCode ?? 0,
                hsts: response.headers['strict-transport-security'],
                proto: headers['x-forwarded-proto'] ?? '',
              });
            });
          },
        );
        request.on('error', reject);
      });
    expect(await get(pair.certificate)).toEqual({ status: 200, hsts: 'max-age=60', proto: 'https' });
    const renewed = await makeLeaf(['localhost'], null, { from: Date.now(), ms: 86_400_000 }, randomBytes(16));
    await Promise.all([writeFile(certificate, renewed.certificate), writeFile(key, renewed.key)]);
    await until(
      async () => (await get(renewed.certificate).catch(() => null))?.status === 200,
      'the renewed certificate is in use',
    );
  });
});
