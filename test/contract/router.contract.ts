import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainEdge, type RouteTableEntry, type WriteStamp } from '../../src/core/route-table.ts';
import type { Router } from '../../src/drivers/router/router.ts';
import { StaleRouterWriteError } from '../../src/errors.ts';
import type { TrafficSecond } from '../../src/core/traffic.ts';
import { ask, echo, openEvents, openWebSocket, sha256, type Answer, type Asking } from './router-client.ts';
import { startInstance, until, type Instance } from './router-instance.ts';

/** A router with nothing in its table, and how to reach and to hurt it. */
export interface RouterUnderTest {
  readonly router: Router;
  /** Port that users reach on 127.0.0.1. */
  readonly publicPort: number;
  /** A free port for the internal address of the service. */
  readonly internalPort: number;
  /** Processes that share traffic each by themselves, exactly; together they may be off by a request for each further one. Default 1. */
  readonly workers?: number;
  /** Kills the data plane without warning. */
  crash(): Promise<void>;
  /** Ends everything. */
  end(): Promise<void>;
}

type Changes = Partial<Omit<RouteTableEntry, 'public' | 'proxy' | 'endpoints'>> & {
  readonly public?: Partial<Record<'hosts' | 'paths' | 'sticky' | 'canaryHeader', unknown>> | null;
  readonly proxy?: Partial<Record<keyof RouteTableEntry['proxy'], number | null>>;
  readonly blue?: readonly Instance[];
  readonly green?: readonly Instance[];
};

/** In what routers differ. */
export interface RouterCapabilities {
  /**
   * What a client gets that still sends its upload when the answer is there: always the answer, or now and then a reset, because the
   * connection is closed with the rest of the upload unread (docs/haproxy.md).
   */
  readonly earlyAnswer: 'always' | 'answer-or-reset';
}

/** What every router must do, whatever it is made of. */
export function routerContract(
  name: string,
  capabilities: RouterCapabilities,
  start: () => Promise<RouterUnderTest>,
): void {
  describe(`router ${name}`, () => {
    let signal: AbortSignal;
    let subject: RouterUnderTest;
    let router: Router;
    let version: number;
    let instances: Instance[];

    beforeEach(async () => {
      signal = AbortSignal.timeout(60_000);
      subject = await start();
      router = subject.router;
      version = 0;
      instances = [];
    });

    afterEach(async () => {
      await Promise.all(instances.map((instance) => instance.kill()));
      await subject.end();
    });

    async function instance(id: string): Promise<Instance> {
      const started = await startInstance(id);
      instances.push(started);
      return started;
    }

    function entry(changes: Changes): RouteTableEntry {
      const { blue = [], green = [], public: route, proxy, ...rest } = changes;
      return {
        service: 'web',
        internalPort: subject.internalPort,
        stable: 'blue',
        edge: plainEdge,
        candidateWeight: 0,
        releases: { blue: 'rel_blue', green: 'rel_green' },
        ...rest,
        endpoints: { blue: blue.map((one) => one.endpoint), green: green.map((one) => one.endpoint) },
        public: route === null ? null : { hosts: [], paths: ['/'], sticky: false, canaryHeader: null, ...route },
        proxy: { responseTimeoutMs: 5_000, idleTimeoutMs: 10_000, maxBodyBytes: null, drainMs: 1_000, ...proxy },
      } as unknown as RouteTableEntry;
    }

    function write(changes: Changes, stamp: WriteStamp = { epoch: 1, version: (version += 1) }) {
      return router.write(stamp, entry(changes), signal);
    }

    /** Sums over all closed seconds, once everything up to now is closed. */
    async function counted() {
      const now = Math.floor(Date.now() / 1000);
      let seconds = await router.traffic('web', 0, signal);
      await until(async () => {
        seconds = await router.traffic('web', 0, signal);
        return (seconds.at(-1)?.second ?? 0) >= now;
      }, 'the current second is closed');
      const sum = (arm: 'stable' | 'candidate') => {
        const total = { requests: 0, serverErrors: 0, gatewayErrors: 0, clientErrors: 0, latencies: 0 };
        for (const second of seconds) {
          const counts = second.arms[arm];
          total.requests += counts.requests;
          total.serverErrors += counts.serverErrors;
          total.gatewayErrors += counts.gatewayErrors;
          total.clientErrors += counts.clientErrors;
          total.latencies += counts.latency.reduce((all, [, count]) => all + count, 0);
        }
        return total;
      };
      return { seconds, stable: sum('stable'), candidate: sum('candidate') };
    }

    const share = async (
      requests: number,
      port = subject.publicPort,
      headers = {},
    ): Promise<Record<string, number>> => {
      const tally: Record<string, number> = {};
      const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
      await Promise.all(
        Array.from({ length: requests }, async () => {
          const { instance: id } = await echo(port, { agent, headers });
          tally[id] = (tally[id] ?? 0) + 1;
        }),
      );
      agent.destroy();
      return tally;
    };

    describe('the table', () => {
      it('routes from the moment a write has resolved, and says what is in force', async () => {
        const a = await instance('a');
        const inForce = await write({ blue: [a] });
        expect(await echo(subject.publicPort)).toMatchObject({ instance: 'a' });
        expect(await router.observe(signal)).toEqual([inForce]);
      });

      it('refuses an older epoch and an older version, and says what is in force', async () => {
        const a = await instance('a');
        const b = await instance('b');
        await write({ blue: [a] }, { epoch: 5, version: 7 });
        for (const stamp of [
          { epoch: 4, version: 99 },
          { epoch: 5, version: 6 },
        ]) {
          const refused = await write({ blue: [b] }, stamp).catch((error: unknown) => error);
          expect(refused).toBeInstanceOf(StaleRouterWriteError);
          expect(refused).toMatchObject({ inForce: { epoch: 5, version: 7 } });
        }
        expect(await echo(subject.publicPort)).toMatchObject({ instance: 'a' });
      });

      it('takes the same stamp as the same write, and a newer epoch with a lower version as newer', async () => {
        const a = await instance('a');
        const b = await instance('b');
        const first = await write({ blue: [a] }, { epoch: 5, version: 7 });
        expect(await write({ blue: [b] }, { epoch: 5, version: 7 })).toEqual(first);
        expect(await echo(subject.publicPort)).toMatchObject({ instance: 'a' });
        await write({ blue: [b] }, { epoch: 6, version: 1 });
        expect(await echo(subject.publicPort)).toMatchObject({ instance: 'b' });
      });

      it('forgets a removed service, but not who removed it', async () => {
        const a = await instance('a');
        await write({ blue: [a] }, { epoch: 2, version: 1 });
        await expect(router.remove({ epoch: 1, version: 9 }, 'web', signal)).rejects.toBeInstanceOf(
          StaleRouterWriteError,
        );
        await router.remove({ epoch: 2, version: 2 }, 'web', signal);
        await router.remove({ epoch: 2, version: 2 }, 'web', signal);
        expect((await ask(subject.publicPort, '/')).status).toBe(404);
        expect(await router.observe(signal)).toEqual([]);
        await expect(write({ blue: [a] }, { epoch: 2, version: 1 })).rejects.toBeInstanceOf(StaleRouterWriteError);
        await write({ blue: [a] }, { epoch: 2, version: 3 });
        expect((await ask(subject.publicPort, '/')).status).toBe(200);
      });

      it('loses no request and never uses a removed endpoint while it changes 50 times under load', async () => {
        const four = await Promise.all(['a', 'b', 'c', 'd'].map(instance));
        const pairs = [
          [0, 1],
          [1, 2],
          [2, 3],
          [3, 0],
        ].map((pair) => pair.flatMap((i) => four[i] ?? []));
        /** What was allowed since which write; a request may be answered by any that was in force meanwhile. */
        const allowed: ReadonlySet<string>[] = [];
        const apply = async (n: number): Promise<void> => {
          const pair = pairs[n % 4] ?? [];
          const before = allowed.at(-1);
          const ids = pair.map(({ endpoint }) => endpoint.id);
          // While the write is under way the old and the new are both right.
          if (before !== undefined) allowed.push(new Set([...before, ...ids]));
          await write(
            n % 2 === 0 ? { blue: pair } : { blue: pair.slice(0, 1), green: pair.slice(1), candidateWeight: 50 },
          );
          allowed.push(new Set(ids));
        };
        await apply(0);
        const load = { running: true };
        let done = 0;
        const wrong: string[] = [];
        const clients = Array.from({ length: 12 }, async (_, n) => {
          const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
          while (load.running) {
            const since = allowed.length - 1;
            const post = n % 3 === 0;
            const answer: Answer | Error = await ask(
              subject.publicPort,
              post ? '/upload' : '/',
              post ? { method: 'POST', body: 'x'.repeat(5_000), agent } : { agent },
            ).catch((error: Error) => error);
            done += 1;
            if (answer instanceof Error) wrong.push(answer.message);
            else if (answer.status !== 200) wrong.push(`status ${answer.status} ${answer.body}`);
            else {
              const id = String(answer.headers['x-instance']);
              if (!allowed.slice(since).some((ids) => ids.has(id))) wrong.push(`${id} was not in the table`);
            }
          }
          agent.destroy();
        });
        for (let n = 1; n <= 50; n += 1) {
          await apply(n);
          const reached = done + 8;
          await until(() => done >= reached, 'traffic between two writes');
        }
        load.running = false;
        await Promise.all(clients);
        expect(wrong).toEqual([]);
        expect(done).toBeGreaterThan(400);
      });
    });

    describe('weights', () => {
      it.each([0, 5, 50, 100])('give the candidate its share at %i percent', async (weight) => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: weight });
        const { b: candidate = 0 } = await share(200);
        expect(Math.abs(candidate - 2 * weight)).toBeLessThanOrEqual(weight === 0 || weight === 100 ? 0 : 2);
      });

      it('share evenly between the endpoints of a slot', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a, b] });
        const tally = await share(200);
        expect(Math.min(tally['a'] ?? 0, tally['b'] ?? 0)).toBeGreaterThan(60);
      });

      it('go to the other slot when theirs has no endpoint', async () => {
        const a = await instance('a');
        await write({ blue: [a], green: [], candidateWeight: 50 });
        expect(await share(20)).toEqual({ a: 20 });
        await write({ blue: [], green: [a], candidateWeight: 50 });
        expect(await share(20)).toEqual({ a: 20 });
      });

      it('never reach a candidate at weight 0, even when stable has no endpoint', async () => {
        const b = await instance('b');
        await write({ blue: [], green: [b], candidateWeight: 0 });
        expect((await ask(subject.publicPort, '/')).status).toBe(503);
        expect(b.requests()).toBe(0);
      });
    });

    describe('users and arms', () => {
      it('keeps users where they are while the weight rises, and takes all back at weight 0', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        const at = (candidateWeight: number) =>
          write({ blue: [a], green: [b], candidateWeight, public: { sticky: true } });
        await at(20);
        const users = await Promise.all(
          Array.from({ length: 50 }, async () => {
            const { answer, instance: id } = await echo(subject.publicPort);
            const [set = ''] = answer.headers['set-cookie'] ?? [];
            expect(set).toMatch(/; Path=\/; HttpOnly; SameSite=Lax$/);
            return { id, cookie: set.split(';', 1)[0] ?? '' };
          }),
        );
        expect(Math.abs(users.filter(({ id }) => id === 'b').length - 10)).toBeLessThan(subject.workers ?? 1);
        const again = (): Promise<string[]> =>
          Promise.all(
            users.map(async ({ cookie }) => (await echo(subject.publicPort, { headers: { cookie } })).instance),
          );
        expect(await again()).toEqual(users.map(({ id }) => id));
        let before = users.map(({ id }) => id);
        for (const weight of [50, 95, 100]) {
          await at(weight);
          const now = await again();
          expect(now.filter((id, i) => before[i] === 'b' && id !== 'b')).toEqual([]);
          before = now;
        }
        expect(new Set(before)).toEqual(new Set(['b']));
        await at(0);
        const { answer, instance: id } = await echo(subject.publicPort, {
          headers: { cookie: `x=1; ${users[0]?.cookie}` },
        });
        expect(id).toBe('a');
        expect(answer.headers['set-cookie']?.[0]).toContain('Max-Age=0');
      });

      it('does not believe a cookie that it did not sign, and shows its cookie to nobody', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 50, public: { sticky: true } });
        const { answer } = await echo(subject.publicPort);
        const cookie = answer.headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '';
        const forged = `${cookie.slice(0, -4)}AAAA`;
        const placed = await echo(subject.publicPort, { headers: { cookie: forged } });
        expect(placed.answer.headers['set-cookie']).toHaveLength(1);
        const known = await echo(subject.publicPort, { headers: { cookie: `x=1; ${cookie}` } });
        expect(known.headers['cookie']).toBe('x=1');
      });

      it('sends a request with the override header to the candidate', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        const override = { canaryHeader: { name: 'Canary', value: 'true' } };
        await write({ blue: [a], green: [b], candidateWeight: 0, public: override });
        expect(await share(10, subject.publicPort, { canary: 'true' })).toEqual({ b: 10 });
        expect(await share(10, subject.publicPort, { canary: 'false' })).toEqual({ a: 10 });
        await write({ blue: [a], green: [], candidateWeight: 0, public: override });
        expect(await share(10, subject.publicPort, { canary: 'true' })).toEqual({ a: 10 });
      });

      it('believes the arm of an internal request and not that of a public one', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 0 });
        expect(await share(10, subject.internalPort, { 'x-veza-arm': 'candidate' })).toEqual({ b: 10 });
        const fromOutside = await echo(subject.publicPort, {
          headers: { 'x-veza-arm': 'candidate', 'x-veza-preview': '1' },
        });
        expect(fromOutside.instance).toBe('a');
        expect(fromOutside.headers['x-veza-arm']).toBeUndefined();
        expect(fromOutside.headers['x-veza-preview']).toBeUndefined();
        await write({ blue: [a], green: [b], candidateWeight: 100 });
        expect((await echo(subject.publicPort)).headers['x-veza-arm']).toBe('candidate');
        expect(await share(10, subject.internalPort, { 'x-veza-arm': 'stable' })).toEqual({ a: 10 });
      });
    });

    describe('the internal address', () => {
      const at = (host: string): Promise<string> =>
        fetch(`http://${host}:${subject.internalPort}/`, { headers: { connection: 'close' } }).then(
          (answer) => `${answer.status}`,
          () => 'nobody',
        );

      it('is where instances reach this machine, and moves when that does', async () => {
        const a = await instance('a');
        await write({ blue: [a], internalHost: '127.0.0.2' });
        expect([await at('127.0.0.2'), await at('127.0.0.1')]).toEqual(['200', 'nobody']);
        await write({ blue: [a] });
        await until(async () => (await at('127.0.0.2')) === 'nobody', 'the address before is closed');
        expect(await at('127.0.0.1')).toBe('200');
      });
    });

    describe('what passes through', () => {
      it('matches hosts and whole path segments', async () => {
        const a = await instance('a');
        await write({ blue: [a], public: { hosts: ['shop.example'], paths: ['/api'] } });
        const status = async (path: string, host: string) =>
          (await ask(subject.publicPort, path, { headers: { host } })).status;
        expect(await status('/api/x?y=1', 'shop.example')).toBe(200);
        expect(await status('/api', 'SHOP.example:80')).toBe(200);
        expect(await status('/apix', 'shop.example')).toBe(404);
        expect(await status('/api', 'other.example')).toBe(404);
      });

      it('says where a request came from, and keeps what is only for one connection', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        const headers = {
          host: 'shop.example',
          'x-forwarded-for': '6.6.6.6',
          'x-forwarded-host': 'evil.example',
          connection: 'close, x-hop',
          'x-hop': '1',
          'x-kept': '2',
          'x-request-id': 'abc-123',
        };
        const got = await echo(subject.publicPort, { headers });
        expect(got.headers).toMatchObject({
          host: 'shop.example',
          'x-forwarded-for': '127.0.0.1',
          'x-forwarded-host': 'shop.example',
          'x-forwarded-proto': 'http',
          'x-request-id': 'abc-123',
          'x-kept': '2',
        });
        expect(got.headers['x-hop']).toBeUndefined();
        expect(got.answer.headers['x-only-here']).toBeUndefined();
        expect(got.answer.headers).toMatchObject({ 'x-request-id': 'abc-123', 'x-veza-release': 'rel_blue' });
        const internal = await echo(subject.internalPort, { headers: { 'x-forwarded-for': '6.6.6.6' } });
        expect(internal.headers['x-forwarded-for']).toBe('6.6.6.6, 127.0.0.1');
        expect(internal.headers['x-request-id']).toMatch(/^[\w-]{8,}$/);
      });

      it('passes uploads unchanged, with and without a length, and after 100 Continue', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        const body = randomBytes(5 * 1024 * 1024);
        async function* pieces() {
          for (let at = 0; at < body.length; at += 100_000) yield body.subarray(at, at + 100_000);
        }
        const expected = JSON.stringify({ bytes: body.length, sha256: sha256(body) });
        expect((await ask(subject.publicPort, '/upload', { method: 'POST', body })).body).toBe(expected);
        expect((await ask(subject.publicPort, '/upload', { method: 'PUT', pieces: pieces() })).body).toBe(expected);
        const waited = await ask(subject.publicPort, '/upload', {
          method: 'POST',
          body,
          headers: { expect: '100-continue' },
        });
        expect(waited.body).toBe(expected);
      });

      it('brings back an answer that the instance gave before it read the upload', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        const body = randomBytes(300_000);
        const asked = ask(subject.publicPort, '/refuse-upload', { method: 'POST', body });
        const reset = (error: unknown): unknown => {
          if (capabilities.earlyAnswer === 'always') throw error;
          return error;
        };
        const answer = await asked.catch(reset);
        if (answer instanceof Error)
          expect(answer).toMatchObject({ code: expect.stringMatching(/^(?:ECONNRESET|EPIPE)$/) });
        else expect(answer).toMatchObject({ status: 401, body: 'no' });
      });

      it('passes HEAD, 204, large answers and trailers', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        expect(await ask(subject.publicPort, '/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
        expect(await ask(subject.publicPort, '/no-content')).toMatchObject({ status: 204, body: '' });
        expect((await ask(subject.publicPort, '/large')).body).toHaveLength(160 * 65_536);
        expect((await ask(subject.publicPort, '/trailers')).trailers).toEqual({ 'x-sum': '42' });
      });

      it('passes events as they come', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        const events = await openEvents(subject.publicPort);
        await until(() => events.text().includes('data: {"n":3}\n\n'), 'three events');
        events.close();
      });

      it('passes WebSocket messages both ways, and an answer that refuses one', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        const client = await openWebSocket(subject.publicPort);
        const large = 'x'.repeat(300_000);
        client.socket.send('hello');
        client.socket.send(large);
        await until(() => client.messages.length === 3, 'both echoes');
        expect(client.messages).toEqual(['a', 'hello', large]);
        client.socket.close(4_000);
        expect(await client.closed).toEqual({ code: 4_000 });
        await until(() => a.closeCodes.length === 1, 'the instance saw the close');
        expect(a.closeCodes).toEqual([4_000]);
        const refused = await ask(subject.publicPort, '/no-websocket', {
          headers: {
            connection: 'Upgrade',
            upgrade: 'websocket',
            'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
            'sec-websocket-version': '13',
          },
        });
        expect(refused).toMatchObject({ status: 403, body: 'no' });
      });

      it('refuses a body that is too large, with and without a length', async () => {
        const a = await instance('a');
        await write({ blue: [a], proxy: { maxBodyBytes: 1_000 } });
        async function* pieces() {
          for (let n = 0; n < 20; n += 1) yield Buffer.alloc(1_000);
        }
        const body = Buffer.alloc(2_000);
        expect((await ask(subject.publicPort, '/upload', { method: 'POST', body })).status).toBe(413);
        expect((await ask(subject.publicPort, '/upload', { method: 'POST', pieces: pieces() })).status).toBe(413);
        expect((await ask(subject.publicPort, '/upload', { method: 'POST', body: Buffer.alloc(1_000) })).status).toBe(
          200,
        );
      });
    });

    describe('what goes wrong', () => {
      it('takes a request elsewhere when an endpoint refuses connections', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await b.kill();
        await write({ blue: [a, b] });
        expect(await share(50)).toEqual({ a: 50 });
        const posted = await ask(subject.publicPort, '/upload', { method: 'POST', body: 'once' });
        expect(posted.status).toBe(200);
      });

      it('says so when no endpoint can be reached, and counts it against the arm', async () => {
        const a = await instance('a');
        await a.kill();
        await write({ blue: [a] });
        const answer = await ask(subject.publicPort, '/');
        expect(answer.status).toBe(502);
        expect(answer.headers['x-veza-error']).toBe('connect-failed');
        expect(answer.headers['content-type']).toBe('application/problem+json');
        expect((await counted()).stable).toMatchObject({ requests: 1, gatewayErrors: 1, serverErrors: 0 });
      });

      it('saves the requests of a candidate that cannot be reached, and counts them against it', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await b.kill();
        await write({ blue: [a], green: [b], candidateWeight: 50 });
        expect(await share(20)).toEqual({ a: 20 });
        const { stable, candidate } = await counted();
        expect(Math.abs(candidate.requests - 10)).toBeLessThan(subject.workers ?? 1);
        expect(candidate.gatewayErrors).toBe(candidate.requests);
        expect(stable).toMatchObject({ requests: 20 - candidate.requests, gatewayErrors: 0 });
      });

      it('never makes an answer look complete that an instance did not finish', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        await expect(ask(subject.publicPort, '/die')).rejects.toThrow();
        await expect(ask(subject.publicPort, '/die?length')).rejects.toThrow();
        expect((await counted()).stable).toMatchObject({ requests: 2, gatewayErrors: 2 });
      });

      it('survives instances that die under load', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a, b] });
        const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
        await Promise.all(Array.from({ length: 40 }, () => ask(subject.publicPort, '/', { agent })));
        await b.kill();
        // Kept connections to b are gone now; no request may be lost to that.
        const answers = await Promise.all(Array.from({ length: 40 }, () => ask(subject.publicPort, '/', { agent })));
        expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 200));
        agent.destroy();
      });

      it('answers for an instance that takes too long', async () => {
        const a = await instance('a');
        await write({ blue: [a], proxy: { responseTimeoutMs: 300 } });
        const answer = await ask(subject.publicPort, '/held');
        expect(answer.status).toBe(504);
        expect(answer.headers['x-veza-error']).toBe('response-timeout');
      });

      it('stops the request to the instance when the client goes away, and blames nobody', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        const request = http.get({ host: '127.0.0.1', port: subject.publicPort, path: '/held', agent: false });
        request.on('error', () => {});
        await a.held(1);
        request.destroy();
        await router.remove({ epoch: 9, version: 1 }, 'web', signal);
        expect(await router.drain('web', ['a'], 3_000, signal)).toEqual({ inFlight: 0, streams: 0 });
        expect((await counted()).stable).toMatchObject({ requests: 1, gatewayErrors: 0, serverErrors: 0 });
      });
    });

    describe('counts', () => {
      it('add up exactly to what clients sent', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 25 });
        await Promise.all([
          share(100),
          ...Array.from({ length: 20 }, () => ask(subject.publicPort, '/status?code=500')),
          ...Array.from({ length: 20 }, () => ask(subject.publicPort, '/status?code=404')),
          share(10, subject.internalPort, { 'x-veza-arm': 'candidate', 'x-veza-preview': '1' }),
          openWebSocket(subject.publicPort).then(({ socket }) => socket.close()),
          openEvents(subject.publicPort).then((events) => events.close()),
        ]);
        const { seconds, stable, candidate } = await counted();
        expect(stable.requests + candidate.requests).toBe(142);
        expect(stable.latencies + candidate.latencies).toBe(142);
        expect(stable.serverErrors + candidate.serverErrors).toBe(20);
        expect(stable.clientErrors + candidate.clientErrors).toBe(20);
        expect(stable.gatewayErrors + candidate.gatewayErrors).toBe(0);
        expect(Math.abs(candidate.requests - 35.5)).toBeLessThanOrEqual(2);
        const named = seconds.map(({ second }) => second);
        expect(named).toEqual(named.map((_, i) => (named[0] ?? 0) + i));
        const after = named[0] ?? 0;
        await until(
          async () => (await router.traffic('web', after, signal)).length > 0,
          'a second that is closed later',
        );
        expect((await router.traffic('web', after, signal))[0]?.second).toBe(after + 1);
      });
    });

    describe('counts by route', () => {
      const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'x-request-id': 'r-1' };
      const internally = (arm: 'stable' | 'candidate', path: string, more: Asking = {}) =>
        ask(subject.internalPort, path, { ...more, headers: { ...more.headers, 'x-veza-arm': arm } });

      it('are there while two releases are compared, and add up to those of the arms', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 50 });
        await Promise.all([
          ...Array.from({ length: 5 }, (_, n) => internally('candidate', `/orders/${n}?customer=anna@example.com`)),
          internally('candidate', '/orders/7', { method: 'POST', body: 'x' }),
          internally('candidate', '/status?code=404'),
          internally('candidate', '/status?code=500', { headers }),
          internally('candidate', '/status?code=503'),
          internally('stable', '/users/anna@example.com'),
        ]);
        const { seconds } = await counted();
        const routes = routesOf(seconds);
        expect(routes.candidate).toEqual({
          'GET /orders/:id': { requests: 5, bad: {} },
          'POST /orders/:id': { requests: 1, bad: {} },
          'GET /status': { requests: 3, bad: { 404: 1, 500: 1, 503: 1 } },
        });
        expect(routes.stable).toEqual({ 'GET /users/:id': { requests: 1, bad: {} } });
        for (const { arms } of seconds) {
          for (const { requests, routes: found = [], latency } of Object.values(arms)) {
            expect(found.reduce((sum, one) => sum + one.requests, 0)).toBe(requests);
            const timed = found.flatMap((one) => one.latency).reduce((sum, [, count]) => sum + count, 0);
            expect(timed).toBe(latency.reduce((sum, [, count]) => sum + count, 0));
          }
        }
        expect(JSON.stringify(seconds)).not.toContain('anna');
      });

      it('name failed requests by what they can be looked up by, five a second at most, of different routes first', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 50 });
        await internally('candidate', '/status?code=500&secret=1', { headers });
        await Promise.all(Array.from({ length: 30 }, () => internally('candidate', '/status?code=503')));
        await internally('candidate', '/die').catch(() => null);
        const { seconds } = await counted();
        const failures = seconds.flatMap(({ arms }) => arms.candidate.failures ?? []);
        expect(failures).toContainEqual({
          route: 'GET /status',
          status: 500,
          latencyMs: expect.any(Number) as number,
          traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
          requestId: 'r-1',
          instance: 'b',
        });
        expect(failures.filter(({ status }) => status === 0)).toMatchObject([
          { route: 'GET /die', traceId: null, requestId: null, instance: 'b' },
        ]);
        for (const { arms } of seconds) expect(arms.candidate.failures?.length ?? 0).toBeLessThanOrEqual(5);
        expect(routesOf(seconds).candidate['GET /die']).toEqual({ requests: 1, bad: { lost: 1 } });
      });

      it('are not there when nothing is compared', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 0 });
        await ask(subject.publicPort, '/status?code=500');
        const { seconds, stable } = await counted();
        expect(stable.serverErrors).toBe(1);
        expect(seconds.every(({ arms }) => arms.stable.routes === undefined)).toBe(true);
        expect(seconds.every(({ arms }) => arms.stable.failures === undefined)).toBe(true);
      });

      it('have at most 200 labels a second, and count the rest as other', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 50 });
        const word = (n: number): string => String(n).replaceAll(/\d/g, (digit) => 'abcdefghij'[Number(digit)] ?? '');
        const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
        await Promise.all(
          Array.from({ length: 600 }, (_, n) => internally('stable', `/${word(n)}/${'../'.repeat(n % 3)}`, { agent })),
        );
        agent.destroy();
        const { seconds } = await counted();
        for (const { arms } of seconds) {
          const labels = new Set(Object.values(arms).flatMap(({ routes = [] }) => routes.map(({ route }) => route)));
          expect(labels.size).toBeLessThanOrEqual(201);
        }
        const total = Object.values(routesOf(seconds).stable).reduce((sum, { requests }) => sum + requests, 0);
        expect(total).toBe(600);
      });
    });

    describe('mirroring', () => {
      const copies = (seconds: readonly TrafficSecond[]) => {
        const total = { pairs: 0, skipped: 0, stableErrors: 0, candidateErrors: 0, statusDiffers: 0, shapeDiffers: 0 };
        for (const { mirror } of seconds) {
          if (mirror === undefined) continue;
          for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += mirror[key];
        }
        return total;
      };

      it('asks the candidate what stable is asked, and shows nobody what it says', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], mirror: { share: 100, shapes: true } });
        expect(await share(40)).toEqual({ a: 40 });
        await until(() => b.requests() === 40, 'the copies');
        const { seconds, stable, candidate } = await counted();
        expect(stable.requests).toBe(40);
        expect(candidate.requests).toBe(0);
        expect(copies(seconds)).toMatchObject({ pairs: 40, skipped: 0, candidateErrors: 0, statusDiffers: 0 });
        const latencies = seconds.flatMap(({ mirror }) => mirror?.latency.candidate ?? []);
        expect(latencies.reduce((sum, [, count]) => sum + count, 0)).toBe(40);
        // Routes are counted, too, since two releases are compared.
        expect(routesOf(seconds).stable).toEqual({ 'GET /': { requests: 40, bad: {} } });
      });

      it('says that a candidate fails, to which no user was exposed', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await b.kill();
        await write({ blue: [a], green: [b], mirror: { share: 100, shapes: false } });
        expect(await share(20)).toEqual({ a: 20 });
        const { seconds, stable } = await counted();
        expect(stable).toMatchObject({ requests: 20, gatewayErrors: 0, serverErrors: 0 });
        expect(copies(seconds)).toMatchObject({ pairs: 20, candidateErrors: 20, statusDiffers: 20, stableErrors: 0 });
      });

      it('copies nothing that could change something, and nothing that lasts', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], mirror: { share: 100, shapes: false } });
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
          expect((await ask(subject.publicPort, '/', { method })).status).toBe(200);
        await ask(subject.publicPort, '/', { body: 'x', headers: { 'content-length': 1 } });
        await ask(subject.publicPort, '/', { headers: { 'x-http-method-override': 'DELETE' } });
        await ask(subject.publicPort, '/', { headers: { range: 'bytes=0-1' } });
        const [events, webSocket] = [await openEvents(subject.publicPort), await openWebSocket(subject.publicPort)];
        expect((await ask(subject.publicPort, '/last', { method: 'HEAD' })).status).toBe(200);
        await until(() => b.requests() > 0, 'the one copy');
        events.close();
        webSocket.socket.close();
        expect(copies((await counted()).seconds)).toMatchObject({ pairs: 1, skipped: 0 });
        expect(b.requests()).toBe(1);
      });

      it('marks copies, and does not believe the mark of a user', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], mirror: { share: 100, shapes: false } });
        const got = await echo(subject.publicPort, { headers: { 'x-veza-mirror': '1' } });
        expect(got.headers['x-veza-mirror']).toBeUndefined();
        await until(() => b.requests() === 1, 'the copy');
        expect(b.heard()[0]).toMatchObject({ 'x-veza-mirror': '1', 'x-veza-arm': 'candidate' });
      });

      it('refuses what a copy would change further inside', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        const headers = { 'x-veza-mirror': '1' };
        expect((await ask(subject.internalPort, '/', { method: 'POST', headers })).status).toBe(403);
        expect(a.requests()).toBe(0);
        expect((await ask(subject.internalPort, '/', { headers })).status).toBe(200);
        expect((await counted()).stable.requests).toBe(0);
      });

      it('lets a candidate that hangs hold up nobody', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({
          blue: [a],
          green: [b],
          mirror: { share: 100, shapes: false },
          proxy: { responseTimeoutMs: 1_000 },
        });
        const held = Array.from({ length: 30 }, () => ask(subject.publicPort, '/held'));
        await until(() => a.requests() === 30, 'stable has all');
        a.release();
        expect((await Promise.all(held)).every(({ status }) => status === 200)).toBe(true);
        await until(async () => {
          const { pairs, skipped } = copies(await router.traffic('web', 0, signal));
          return pairs + skipped === 30;
        }, 'the time of the copies is over');
        const { candidateErrors, pairs } = copies(await router.traffic('web', 0, signal));
        expect(candidateErrors).toBe(pairs);
        expect(pairs).toBe(b.requests());
        expect(b.requests()).toBeLessThanOrEqual(16 * (subject.workers ?? 1));
      });
    });

    describe('draining', () => {
      it('refuses instances that are still in the table', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        await expect(router.drain('web', ['a'], 100, signal)).rejects.toThrow(/table/);
      });

      it('lets requests and uploads finish, and resolves when they have', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a] });
        const body = randomBytes(1_000_000);
        const gate = Promise.withResolvers<void>();
        async function* pieces() {
          yield body.subarray(0, 500_000);
          await gate.promise;
          yield body.subarray(500_000);
        }
        const before = a.requests();
        const upload = ask(subject.publicPort, '/upload', { method: 'POST', pieces: pieces() });
        const held = ask(subject.publicPort, '/held');
        await a.held(1);
        await until(() => a.requests() === before + 2, 'the upload began');
        await write({ blue: [b] });
        let drained = false;
        const draining = router.drain('web', ['a'], 30_000, signal).then((left) => {
          drained = true;
          return left;
        });
        expect(await echo(subject.publicPort)).toMatchObject({ instance: 'b' });
        expect(drained).toBe(false);
        a.release();
        gate.resolve();
        expect((await held).body).toBe('held');
        expect(JSON.parse((await upload).body)).toEqual({ bytes: body.length, sha256: sha256(body) });
        expect(await draining).toEqual({ inFlight: 0, streams: 0 });
      });

      it('ends WebSockets with 1001 on both sides and event streams behind a whole event', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a] });
        const client = await openWebSocket(subject.publicPort);
        const events = await openEvents(subject.publicPort);
        await until(
          () => events.text().includes('data: {"n":2}\n\n') && client.messages.length === 1,
          'both streams flow',
        );
        await write({ blue: [b] });
        client.socket.send('still here');
        await until(() => client.messages.includes('still here'), 'streams go on until they are told');
        expect(await router.drain('web', ['a'], 200, signal)).toEqual({ inFlight: 0, streams: 0 });
        expect(await client.closed).toEqual({ code: 1001 });
        await until(() => a.closeCodes.length === 1, 'the instance saw the close');
        expect(a.closeCodes).toEqual([1001]);
        expect(await events.ended).toEqual({ clean: true });
        expect(events.text()).toMatch(/^(?:id: (\d+)\ndata: {"n":\1}\n\n)+$/);
      });

      it('ends busy WebSockets between two messages, each message whole and in order', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a] });
        const clients = await Promise.all(
          Array.from({ length: 8 }, async (_, n) => {
            const client = await openWebSocket(subject.publicPort);
            let sent = 0;
            const padding = 'x'.repeat(n * 20_000);
            const timer = setInterval(() => {
              if (client.socket.readyState === client.socket.OPEN) client.socket.send(`${(sent += 1)} ${padding}`);
            }, 1);
            return { ...client, padding, stop: () => clearInterval(timer) };
          }),
        );
        await until(() => clients.every(({ messages }) => messages.length > 20), 'traffic on every WebSocket');
        await write({ blue: [b] });
        expect(await router.drain('web', ['a'], 100, signal)).toEqual({ inFlight: 0, streams: 0 });
        for (const client of clients) {
          client.stop();
          expect(await client.closed).toEqual({ code: 1001 });
          const echoes = client.messages.slice(1);
          expect(echoes.every((text, i) => text === `${i + 1} ${client.padding}`)).toBe(true);
        }
        await until(() => a.closeCodes.length === 8, 'the instance saw every close');
        expect(new Set(a.closeCodes)).toEqual(new Set([1001]));
      });

      it('reports what does not end, and ends it', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        const proxy = { responseTimeoutMs: 60_000 };
        await write({ blue: [a], proxy });
        // Not to be repeated, so nobody else can answer it.
        const held = ask(subject.publicPort, '/held', { method: 'POST' }).catch((error: Error) => error);
        await a.held(1);
        await write({ blue: [b], proxy });
        expect(await router.drain('web', ['a'], 100, signal)).toEqual({ inFlight: 1, streams: 0 });
        const outcome = await held;
        // Cut, or told that no answer came: never one that looks right.
        expect(outcome instanceof Error ? 504 : outcome.status).toBeOneOf([502, 504]);
      });
    });

    describe('without the control plane', () => {
      it('goes on when the router driver is closed', async () => {
        const a = await instance('a');
        await write({ blue: [a] });
        await router.close();
        expect(await share(20)).toEqual({ a: 20 });
      });

      it('serves the last table again after it was killed', async () => {
        const [a, b] = [await instance('a'), await instance('b')];
        await write({ blue: [a], green: [b], candidateWeight: 100 }, { epoch: 3, version: 2 });
        await subject.crash();
        await until(async () => {
          const answer = await ask(subject.publicPort, '/').catch(() => null);
          return answer?.status === 200;
        }, 'the router is back');
        expect(await share(10)).toEqual({ b: 10 });
        expect(await share(10, subject.internalPort, { 'x-veza-arm': 'stable' })).toEqual({ a: 10 });
        await expect(write({ blue: [a] }, { epoch: 3, version: 1 })).rejects.toBeInstanceOf(StaleRouterWriteError);
        expect((await router.observe(signal))[0]?.stamp).toEqual({ epoch: 3, version: 2 });
      });
    });
  });
}

/** Sums by route over seconds. */
function routesOf(seconds: readonly TrafficSecond[]) {
  const sums: Record<'stable' | 'candidate', Record<string, { requests: number; bad: Record<string, number> }>> = {
    stable: {},
    candidate: {},
  };
  for (const { arms } of seconds) {
    for (const arm of ['stable', 'candidate'] as const) {
      for (const { route, requests, bad } of arms[arm].routes ?? []) {
        const sum = (sums[arm][route] ??= { requests: 0, bad: {} });
        sum.requests += requests;
        for (const [kind, count] of Object.entries(bad)) sum.bad[kind] = (sum.bad[kind] ?? 0) + count;
      }
    }
  }
  return sums;
}
