import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes, sign } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority, makeLeaf } from '../../src/gateway/tls/x509.ts';
import { freePort } from '../../src/system/free-port.ts';
import { until } from '../contract/router-instance.ts';

/** Debian's docker-registry is there. */
export const registryAvailable = spawnSync('docker-registry', ['--version']).status === 0;

export const USER = { username: 'veza', password: 'correct horse' };
/** Bcrypt of that, at the lowest cost. */
const HTPASSWD = 'veza:$2y$04$YaYN.wLJGqG7fYDL7h56huplCMTOB8jFN8ag0YWvKSQGmJ4lGgZ32\n';
const SERVICE = 'rig';

export type RegistryLogIn = 'none' | 'password' | 'token';

/** The registry that everybody has, on this machine, with a folder of its own. */
export class RegistryRig {
  readonly folder: string;
  readonly name: string;
  /** PEM of who signed its certificate; null without TLS. */
  readonly authority: string | null;
  readonly #configuration: string;
  readonly #tokens: Server | null;
  #process: ChildProcess | null = null;
  #log = '';

  private constructor(
    folder: string,
    name: string,
    authority: string | null,
    configuration: string,
    tokens: Server | null,
  ) {
    this.folder = folder;
    this.name = name;
    this.authority = authority;
    this.#configuration = configuration;
    this.#tokens = tokens;
  }

  static async start({ tls, logIn }: { readonly tls: boolean; readonly logIn: RegistryLogIn }): Promise<RegistryRig> {
    const folder = await mkdtemp(join(tmpdir(), 'veza-registry-'));
    const port = await freePort('127.0.0.1', 0);
    const validity = { from: Date.now(), ms: 86_400_000 };
    const authority = await makeAuthority('Rig', validity, randomBytes(16));
    const own = await makeLeaf(['127.0.0.1'], authority, validity, randomBytes(16));
    await mkdir(join(folder, 'data'));
    const write = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const tokens = logIn === 'token' ? await tokenServer(own) : null;
    const auth =
      tokens !== null
        ? {
            token: {
              realm: `http://127.0.0.1:${(tokens.address() as AddressInfo).port}/token`,
              service: SERVICE,
              issuer: SERVICE,
              rootcertbundle: await write('tokens.pem', authority.certificate),
            },
          }
        : logIn === 'password'
          ? { htpasswd: { realm: SERVICE, path: await write('htpasswd', HTPASSWD) } }
          : null;
    // JSON is YAML.
    const configuration = await write(
      'config.yml',
      JSON.stringify({
        version: 0.1,
        log: { level: 'warn', accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: join(folder, 'data') } },
        http: {
          addr: `127.0.0.1:${port}`,
          secret: 'rig',
          ...(tls
            ? { tls: { certificate: await write('own.pem', own.certificate), key: await write('own.key', own.key) } }
            : {}),
        },
        ...(auth === null ? {} : { auth }),
      }),
    );
    const rig = new RegistryRig(folder, `127.0.0.1:${port}`, tls ? authority.certificate : null, configuration, tokens);
    await rig.up();
    return rig;
  }

  async up(): Promise<void> {
    const child = spawn('docker-registry', ['serve', this.#configuration], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (this.#log = (this.#log + text.toString()).slice(-4_000)));
    try {
      await until(async () => {
        if (child.exitCode !== null) throw new Error(this.#log);
        const url = `${this.authority === null ? 'http' : 'https'}://${this.name}/v2/`;
        const answered = await fetch(url).then(
          () => true,
          // A certificate that is not known is an answer, too.
          (error: unknown) => /certificate|issuer/i.test(String((error as Error).cause)),
        );
        return answered;
      }, 'the registry answers');
    } catch (error) {
      throw new Error(`docker-registry did not start: ${this.#log}`, { cause: error });
    }
  }

  async down(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    await this.down();
    this.#tokens?.closeAllConnections();
    if (this.#tokens !== null) await new Promise((resolve) => this.#tokens?.close(resolve));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Gives tokens for what is asked for, to whoever has the password. https://distribution.github.io/distribution/spec/auth/jwt/ */
async function tokenServer(own: { readonly certificate: string; readonly key: string }): Promise<Server> {
  const chain = [own.certificate.match(/-----BEGIN CERTIFICATE-----([^-]+)-/)?.[1]?.replaceAll(/\s/g, '') ?? ''];
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const server = createServer((incoming, answer) => {
    const expected = `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString('base64')}`;
    if (incoming.headers.authorization !== expected) {
      answer.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}');
      return;
    }
    const url = new URL(incoming.url ?? '', 'http://tokens');
    const [type, name, actions] = (url.searchParams.get('scope') ?? '').split(':');
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: SERVICE,
      aud: url.searchParams.get('service'),
      sub: USER.username,
      nbf: now - 10,
      iat: now,
      exp: now + 300,
      jti: randomBytes(8).toString('hex'),
      access: [{ type, name, actions: actions?.split(',') ?? [] }],
    };
    const text = `${encode({ alg: 'ES256', typ: 'JWT', x5c: chain })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(text), { key: own.key, dsaEncoding: 'ieee-p1363' });
    answer.writeHead(200, { 'content-type': 'application/json' });
    answer.end(JSON.stringify({ token: `${text}.${signature.toString('base64url')}` }));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
}
