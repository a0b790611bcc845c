import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/system/free-port.ts';
import { makeAuthority, makeLeaf } from '../../src/gateway/tls/x509.ts';
import { until } from '../contract/router-instance.ts';

// Pebble, the test authority of the people who made ACME: a real one in everything but trust. It fetches each challenge over
// the network, from names that pebble-challtestsrv resolves to this machine.

const version = 'v2.10.1';
const programs = ['pebble', 'pebble-challtestsrv'] as const;
const binFolder = join(homedir(), '.cache', 'veza-rig', 'bin');

/** Go is there to build Pebble with, or it has been built before. */
export const pebbleAvailable =
  programs.every((name) => existsSync(join(binFolder, name))) || spawnSync('go', ['version']).status === 0;

/** How the line to the authority is at the moment. */
export type Fault = 'none' | 'down' | 'rate-limited';

export interface Pebble {
  /** URL of the directory, by way of the faulty line. */
  readonly directory: string;
  /** PEM file of the root that the directory's own TLS is checked with. */
  readonly trust: string;
  /** Orders that the authority has taken. */
  readonly orders: () => number;
  fault: Fault;
  close(): Promise<void>;
}

/**
 * Starts Pebble, and a line to it that can be cut.
 *
 * @param httpPort where it fetches challenges, of whatever host
 * @param validitySeconds of the certificates that it issues
 */
export async function startPebble(httpPort: number, validitySeconds = 7_776_000): Promise<Pebble> {
  const [pebble, resolver] = await built();
  const folder = await mkdtemp(join(tmpdir(), 'veza-pebble-'));
  const authority = await makeAuthority('Rig', { from: Date.now(), ms: 86_400_000 }, randomBytes(16));
  const own = await makeLeaf(
    ['localhost', '127.0.0.1'],
    authority,
    { from: Date.now(), ms: 86_400_000 },
    randomBytes(16),
  );
  const file = (name: string): string => join(folder, name);
  await writeFile(file('trust.pem'), authority.certificate);
  await writeFile(file('own.pem'), own.certificate);
  await writeFile(file('own.key'), own.key);
  const [port, dnsPort, resolverPort] = [
    await freePort('127.0.0.1', 0),
    await freePort('127.0.0.1', 0),
    await freePort('127.0.0.1', 0),
  ];
  await writeFile(
    file('config.json'),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: '',
        certificate: file('own.pem'),
        privateKey: file('own.key'),
        httpPort,
        tlsPort: 1,
        keyAlgorithm: 'ecdsa',
        profiles: { default: { description: 'the only one', validityPeriod: validitySeconds } },
      },
    }),
  );
  const children: ChildProcess[] = [];
  const output: string[] = [];
  const start = (program: string, args: readonly string[]): void => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0' },
    });
    child.stdout.on('data', (text: Buffer) => output.push(text.toString()));
    child.stderr.on('data', (text: Buffer) => output.push(text.toString()));
    children.push(child);
  };
  const off = ['-http01', '', '-https01', '', '-doh', '', '-tlsalpn01', '', '-defaultIPv6', ''];
  start(resolver, ['-dnsserver', `127.0.0.1:${dnsPort}`, '-management', `127.0.0.1:${resolverPort}`, ...off]);
  start(pebble, ['-config', file('config.json'), '-dnsserver', `127.0.0.1:${dnsPort}`, '-strict']);

  const line = faultyLine(own, authority.certificate, port);
  line.server.listen(0, '127.0.0.1');
  await new Promise((resolve) => line.server.once('listening', resolve));
  const linePort = (line.server.address() as AddressInfo).port;
  const close = async (): Promise<void> => {
    line.server.closeAllConnections();
    await new Promise((resolve) => line.server.close(resolve));
    for (const child of children) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill()) await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(() => answers(port, authority.certificate), 'Pebble answers');
  } catch (error) {
    await close();
    throw new Error(`Pebble did not start: ${output.join('').slice(-2_000)}`, { cause: error });
  }
  return {
    directory: `https://localhost:${linePort}/dir`,
    trust: file('trust.pem'),
    orders: () => line.orders(),
    get fault() {
      return line.state.fault;
    },
    set fault(fault) {
      line.state.fault = fault;
      if (fault === 'down') line.server.closeAllConnections();
    },
    close,
  };
}

async function built(): Promise<readonly [pebble: string, resolver: string]> {
  if (!programs.every((name) => existsSync(join(binFolder, name)))) {
    await mkdir(binFolder, { recursive: true });
    const modules = programs.map((name) => `github.com/letsencrypt/pebble/v2/cmd/${name}@${version}`);
    await promisify(execFile)('go', ['install', ...modules], {
      cwd: tmpdir(),
      env: { ...process.env, GOBIN: binFolder, GOFLAGS: '-mod=mod' },
      timeout: 300_000,
    });
  }
  return [join(binFolder, programs[0]), join(binFolder, programs[1])];
}

/** Passes everything on as it is, with its host, by which Pebble makes its URLs and checks signatures. */
function faultyLine(
  own: { readonly certificate: string; readonly key: string },
  ca: string,
  port: number,
): { readonly server: Server; readonly state: { fault: Fault }; orders(): number } {
  const state: { fault: Fault } = { fault: 'none' };
  let orders = 0;
  const server = createServer({ cert: own.certificate, key: own.key }, (incoming, answer) => {
    if (state.fault === 'down') {
      incoming.socket.destroy();
      return;
    }
    if (state.fault === 'rate-limited' && incoming.url === '/order-plz') {
      answer.writeHead(429, { 'content-type': 'application/problem+json', 'retry-after': '7200' });
      answer.end(
        JSON.stringify({
          type: 'urn:ietf:params:acme:error:rateLimited',
          detail: 'too many certificates already issued for this set of domains',
          status: 429,
        }),
      );
      return;
    }
    const passed = request(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port,
        ca,
        method: incoming.method,
        path: incoming.url,
        headers: incoming.headers,
        agent: false,
      },
      (given) => {
        // Pebble refuses one nonce in twenty on purpose; what the client then sends again is the same order.
        if (incoming.url === '/order-plz' && given.statusCode === 201) orders += 1;
        answer.writeHead(given.statusCode ?? 502, given.headers);
        given.pipe(answer);
      },
    );
    passed.on('error', () => answer.destroy());
    incoming.pipe(passed);
  });
  return { server, state, orders: () => orders };
}

function answers(port: number, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port,
        path: '/dir',
        ca,
        agent: false,
        headers: { 'user-agent': 'rig' },
      },
      (given) => {
        given.resume();
        resolve(given.statusCode === 200);
      },
    );
    asked.on('error', () => resolve(false));
    asked.end();
  });
}
