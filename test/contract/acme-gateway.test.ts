import { randomBytes } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, request } from 'node:https';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../src/system/free-port.ts';
import type { GatewaySettings } from '../../src/core/gateway-settings.ts';
import { plainEdge } from '../../src/core/route-table.ts';
import {
  createGatewayRouter,
  stopGateway,
  type GatewayRouter,
} from '../../src/drivers/router/gateway/gateway-router.ts';
import { makeLeaf } from '../../src/gateway/tls/x509.ts';
import { pebbleAvailable, startPebble, type Pebble } from '../rig/pebble.ts';
import { startInstance, until, type Instance } from './router-instance.ts';

// The whole way: a gateway of two workers, an authority that fetches its challenges from it, users who stay connected.

const dayMs = 86_400_000;
/** So short that two renewals can be seen. */
const validitySeconds = 12;

describe.skipIf(!pebbleAvailable)('a gateway with an authority (Pebble)', () => {
  const signal = AbortSignal.timeout(300_000);
  let folder: string;
  let pebble: Pebble;
  let instance: Instance;
  let router: GatewayRouter;
  let port: number;
  const ends: (() => unknown)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'veza-acme-gateway-'));
    const httpPort = await freePort('127.0.0.1', 0);
    port = await freePort('127.0.0.1', 0);
    pebble = await startPebble(httpPort, validitySeconds);
    await putFiles('files.test');
    const settings: GatewaySettings = {
      workers: 2,
      http: { host: '127.0.0.1', port: httpPort },
      https: {
        host: '127.0.0.1',
        port,
        minVersion: 'TLSv1.2',
        http2: true,
        redirect: true,
        hsts: { maxAgeSeconds: 300, includeSubDomains: false, preload: false },
        certificates: [
          { kind: 'acme', hosts: ['a.test'], email: null, directory: pebble.directory, trust: pebble.trust },
          { kind: 'files', certificate: join(folder, 'chain.pem'), key: join(folder, 'key.pem') },
        ],
      },
      accessLog: null,
      lingerMs: 10_000,
    };
    instance = await startInstance('a');
    router = await createGatewayRouter({ stateDir: join(folder, 'state'), settings });
    await router.write(
      { epoch: 1, version: 1 },
      {
        service: 'web',
        public: { hosts: [], paths: ['/'], sticky: false, canaryHeader: null },
        internalPort: await freePort('127.0.0.1', 0),
        proxy: { responseTimeoutMs: 20_000, idleTimeoutMs: 60_000, maxBodyBytes: null, drainMs: 500 },
        stable: 'blue',
        edge: plainEdge,
        candidateWeight: 0,
        endpoints: { blue: [instance.endpoint], green: [] },
        releases: { blue: 'rel_1', green: null },
      } as unknown as Parameters<GatewayRouter['write']>[1],
      signal,
    );
  }, 300_000);

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
    await router?.close();
    await stopGateway(join(folder, 'state'), 0);
    await instance?.kill();
    await pebble?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function putFiles(host: string): Promise<void> {
    const pair = await makeLeaf([host, 'files.test'], null, { from: Date.now(), ms: 90 * dayMs }, randomBytes(16));
    for (const [name, text] of [
      ['key.pem', pair.key],
      ['chain.pem', pair.certificate],
    ] as const) {
      await writeFile(join(folder, `${name}.new`), text);
      await rename(join(folder, `${name}.new`), join(folder, name));
    }
  }

  function handshake(servername: string): Promise<{ issuer: string; serial: string; names: string }> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
        const { issuer, serialNumber, subjectaltname } = socket.getPeerCertificate();
        socket.destroy();
        resolve({ issuer: String(issuer.CN), serial: serialNumber, names: subjectaltname ?? '' });
      });
      socket.once('error', reject);
    });
  }

  /** Asks again and again on one connection. */
  function keepAsking(ask: () => Promise<number>): {
    done: () => number;
    failures: string[];
    end: () => Promise<void>;
  } {
    const failures: string[] = [];
    let done = 0;
    const state = { going: true };
    const loop = (async () => {
      while (state.going) {
        try {
          const status = await ask();
          if (status !== 200) failures.push(String(status));
        } catch (error) {
          failures.push((error as Error).message);
        }
        done += 1;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const end = async (): Promise<void> => {
      state.going = false;
      await loop;
    };
    ends.push(end);
    return { done: () => done, failures, end };
  }

  function http1(): { ask: () => Promise<number>; connections: () => number } {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, servername: 'a.test' });
    ends.push(() => agent.destroy());
    const sockets = new Set<unknown>();
    const ask = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request({ port, host: '127.0.0.1', agent, path: '/', headers: { host: 'a.test' } }, (answer) => {
          answer.resume();
          answer.once('end', () => resolve(answer.statusCode ?? 0));
        });
        asked.once('socket', (socket) => sockets.add(socket));
        asked.once('error', reject);
        asked.end();
      });
    return { ask, connections: () => sockets.size };
  }

  function http2(): () => Promise<number> {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: 'a.test' });
    session.on('error', () => {});
    ends.push(() => session.destroy());
    return () =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': '/', ':authority': 'a.test' });
        let status = 0;
        stream.once('response', (headers) => {
          status = headers[':status'] ?? 0;
        });
        stream.once('error', reject);
        stream.once('end', () => resolve(status));
        stream.resume();
      });
  }

  test('shows its certificate, renews it and takes up new files, and no connection notices', async () => {
    await until(async () => (await handshake('a.test')).issuer.includes('Pebble'), 'the first certificate', 60_000);
    const one = http1();
    const users = [keepAsking(one.ask), keepAsking(http1().ask), keepAsking(http2()), keepAsking(http2())];
    const serials = new Set<string>();
    await until(
      async () => {
        serials.add((await handshake('a.test')).serial);
        return serials.size === 3;
      },
      'two renewals',
      60_000,
    );
    expect((await handshake('files.test')).names).not.toContain('new.files.test');
    await putFiles('new.files.test');
    await until(async () => (await handshake('files.test')).names.includes('new.files.test'), 'the new files');

    const before = users.map((user) => user.done());
    await until(() => users.every((user, at) => user.done() > (before[at] ?? 0) + 20), 'they go on');
    for (const user of users) {
      await user.end();
      expect(user.failures).toEqual([]);
      expect(user.done()).toBeGreaterThan(200);
    }
    expect(one.connections()).toBe(1);
    const log = await readFile(join(folder, 'state', 'gateway', 'gateway.log'), 'utf8');
    expect(log).not.toMatch(/"event":"(?:uncaught|unhandled-rejection|certificates-refused|certificate-not-issued)"/);
  }, 180_000);
});
