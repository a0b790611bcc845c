import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { GatewaySchema, type GatewayView } from '../../src/api/schemas.ts';
import { freePort } from '../../src/system/free-port.ts';
import { processesOf, Sandbox } from './bad-input-sandbox.ts';
import { succeeds } from './succeeds.ts';
import { SteadyRequests } from './steady-requests.ts';

// The edge through the whole product: declared in veza.config.ts, put in force by `veza`, seen by users.

let sandbox: Sandbox | null = null;
let load: SteadyRequests | null = null;

afterEach(async () => {
  await load?.stop();
  load = null;
  await sandbox?.[Symbol.asyncDispose]();
  sandbox = null;
});

async function live(): Promise<Sandbox> {
  const made = await Sandbox.create({ target: { workers: 2 } });
  sandbox = made;
  await succeeds(made.veza(['up']));
  await succeeds(made.veza(['deploy']));
  expect(await made.ask()).toBe('200 v1');
  return made;
}

const gatewayOf = async (of: Sandbox): Promise<GatewayView> =>
  GatewaySchema.parse(JSON.parse((await succeeds(of.veza(['gateway', 'status', '--json']))).stdout));

/** Status, headers and text that `curl` gets; it trusts this authority alone. */
async function curl(url: string, ...more: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', ['--silent', '--show-error', '--include', ...more, url]);
  return stdout;
}

test('https with a certificate for development, declared later: handed over without a lost request, then as declared', async () => {
  // Given a platform with users on plain HTTP.
  const platform = await live();
  // A host that the certificate will name: others are not redirected.
  const url = `http://localhost:${platform.port}/`;
  const { generation } = await gatewayOf(platform);
  load = new SteadyRequests({ url, clients: 8 });
  await load.more(50);

  // When https is declared and taken, users of plain HTTP go on as before.
  const port = await freePort('127.0.0.1', 27_000);
  const https = { listen: `127.0.0.1:${port}`, hsts: { maxAge: '1d' }, certificates: [{ kind: 'development' }] };
  await platform.declare({ target: { https: { ...https, redirect: false } } });
  await succeeds(platform.veza(['gateway', 'upgrade']));
  await load.more(50);
  expect((await gatewayOf(platform)).generation).toBe(generation + 1);

  // Then curl trusts it with the authority, and is answered over HTTP/2 and HTTP/1.1 with HSTS.
  const secure = `https://localhost:${port}/`;
  const ca = join(platform.stateDir, 'environments/development/gateway/tls/development-ca.pem');
  const answer = await curl(secure, '--cacert', ca, '--http1.1');
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toMatch(/strict-transport-security: max-age=86400\r\n/i);
  expect(answer).toMatch(/v1$/);
  await expect(curl(secure)).rejects.toThrow(/SSL|certificate/i);
  expect(await statusByHttp2(secure, await readFile(ca, 'utf8'))).toBe(200);

  // And people see where the certificate comes from, until when it is valid, and whom to trust.
  const { stdout: shown } = await succeeds(platform.veza(['gateway', 'status']));
  expect(shown).toContain(`https 127.0.0.1:${port}`);
  expect(shown).toMatch(/localhost 127\.0\.0\.1 ::1 +development +in \d+ d/);
  expect(shown).toContain(ca);

  // When the redirect is wanted, too: `veza up` hands over by itself.
  await platform.declare({ target: { https } });
  await succeeds(platform.veza(['down', '--keep-running']));
  await succeeds(platform.veza(['up']));
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(Object.keys(load.statuses()).toSorted()).toEqual(['200', '308']);
  const redirect = await curl(`${url}a/b?c=d`);
  expect(redirect).toMatch(/^HTTP\/1\.1 308 /);
  expect(redirect).toContain(`ocation: https://localhost:${port}/a/b?c=d\r\n`);

  // When the certificate is renewed by hand and then the plain address changes, users of https notice nothing, and the old address is free.
  load = new SteadyRequests({ url: secure, ca: await readFile(ca, 'utf8'), clients: 8 });
  await load.more(50);
  const [first] = (await gatewayOf(platform)).certificates;
  expect((await succeeds(platform.veza(['gateway', 'renew', 'localhost']))).stdout).toContain(
    'localhost 127.0.0.1 ::1, expires in',
  );
  await load.more(50);
  const [renewed] = (await gatewayOf(platform)).certificates;
  expect(renewed?.expiresAt).toBeGreaterThan(first?.expiresAt ?? Infinity);
  const moved = await freePort('127.0.0.1', 27_100);
  await platform.declare({ target: { listen: `127.0.0.1:${moved}`, https } });
  await succeeds(platform.veza(['gateway', 'upgrade']));
  await load.more(50);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(Object.keys(load.statuses())).toEqual(['200']);
  expect(await curl(`http://localhost:${moved}/`)).toMatch(/^HTTP\/1\.1 308 /);
  expect(await platform.ask()).toBeNull();
}, 90_000);

test('certificates of no use: a first gateway runs and `veza up` warns; one that shows another goes on', async () => {
  // Given files that are not there, when the platform is started, it is up, and says so.
  const platform = await Sandbox.create({ target: { workers: 1 } });
  sandbox = platform;
  const port = await freePort('127.0.0.1', 27_200);
  const file = (name: string): string => join(platform.stateDir, '..', name);
  const withFiles = (name: string) => ({
    target: {
      https: {
        listen: `127.0.0.1:${port}`,
        redirect: false,
        certificates: [{ kind: 'files', certificate: file(`${name}.pem`), key: file(`${name}.key`) }],
      },
    },
  });
  await platform.declare(withFiles('own'));
  expect((await succeeds(platform.veza(['up']))).stderr.replaceAll(/\s+/g, ' ')).toMatch(
    /own\.pem cannot be used: it cannot be read \(ENOENT\)\. Nothing can be shown/,
  );
  await succeeds(platform.veza(['deploy', '--dirty']));

  // When the files come, as OpenSSL makes them for a test machine, they are shown without a command.
  const names = ['-addext', 'subjectAltName=DNS:localhost'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', ...names];
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, '-keyout', file('own.key'), '-out', file('own.pem')]);
  const secure = `https://localhost:${port}/`;
  await expect
    .poll(() => curl(secure, '--cacert', file('own.pem')).catch(String), { timeout: 15_000 })
    .toMatch(/ 200 [^]*v1$/);
  const { stdout, stderr } = await succeeds(platform.veza(['up']));
  expect(`${stdout}${stderr}`).toContain(`https://localhost:${port}`);
  expect(`${stdout}${stderr}`).not.toContain('cannot be used');

  // Then files that are not there replace nothing, by whatever command.
  const before = await gatewayOf(platform);
  await platform.declare(withFiles('missing'));
  const refused = await platform.veza(['gateway', 'upgrade']);
  expect(refused.status).toBe(1);
  expect(refused.stderr.replaceAll(/\s+/g, ' ')).toMatch(
    /not replaced: \S+missing\.pem cannot be used.*The old one goes on/,
  );
  expect((await gatewayOf(platform)).pid).toBe(before.pid);
  expect(await curl(secure, '--cacert', file('own.pem'))).toMatch(/ 200 /);
  await succeeds(platform.veza(['down', '--keep-running']));
  const kept = await platform.veza(['up']);
  expect(kept.status).toBe(1);
  expect(kept.stderr).toContain('missing.pem cannot be used');
  expect(await curl(secure, '--cacert', file('own.pem'))).toMatch(/ 200 /);
  await platform.declare(withFiles('own'));
  await succeeds(platform.veza(['up']));
  expect((await gatewayOf(platform)).pid).toBe(before.pid);
}, 90_000);

test('maintenance under traffic: users get the page until it is over, also while there is no control plane', async () => {
  const platform = await live();
  load = new SteadyRequests({ url: platform.url, clients: 8 });
  await load.more(50);

  await succeeds(platform.veza(['maintenance', 'on', 'hello', '--retry-after', '30m']));
  await load.more(0);
  const closed = load.answers.length;
  await load.more(50);

  // Killed with it on, and started again with it on.
  process.kill((await platform.controlPid()) ?? NaN, 'SIGKILL');
  await load.more(50);
  await succeeds(platform.veza(['up']));
  expect((await succeeds(platform.veza(['status']))).stdout).toMatch(/maintenance/);
  await load.more(50);
  expect(Object.keys(load.statuses(closed))).toEqual(['503']);
  expect(new Set(load.answers.slice(closed).map(({ headers }) => headers['retry-after']))).toEqual(new Set(['1800']));

  await succeeds(platform.veza(['maintenance', 'off', 'hello']));
  await load.more(0);
  const open = load.answers.length;
  await load.more(50);
  await load.stop();
  expect(Object.keys(load.statuses(open))).toEqual(['200']);
  // Nobody was left without an answer, and nobody got another one.
  expect(load.failures).toEqual([]);
  expect(Object.keys(load.statuses()).toSorted()).toEqual(['200', '503']);
});

test('a changed range of ports is taken by the next control plane, and the next release moves into it, without a lost request', async () => {
  const platform = await live();
  load = new SteadyRequests({ url: platform.url, clients: 8 });
  await load.more(20);
  await platform.declare({ target: { ports: '26400-26499' } });
  await succeeds(platform.veza(['down', '--keep-running']));
  await succeeds(platform.veza(['up']));
  await load.more(20);
  await platform.program('v2');
  await platform.commit('v2');
  await succeeds(platform.veza(['deploy']));
  await load.more(20);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(Object.keys(load.statuses())).toEqual(['200']);
  expect(load.answers.at(-1)?.text).toBe('v2');
  // The old release's instances end once it is not kept warm any more.
  const outside = (): readonly number[] => portsOf(platform).filter((port) => port < 26_400 || port > 26_499);
  await expect.poll(outside, { timeout: 20_000 }).toEqual([]);
  expect(portsOf(platform)).toHaveLength(1);
});

/** Where the instances listen. */
const portsOf = ({ stateDir }: Sandbox): readonly number[] =>
  processesOf(stateDir, 'server.mjs').map((pid) => {
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return Number(variables.find((text) => text.startsWith('PORT='))?.slice('PORT='.length));
  });

function statusByHttp2(url: string, ca: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connect(url, { ca });
    session.once('error', reject);
    const stream = session.request({ ':path': '/' });
    stream.once('error', reject);
    stream.once('response', (headers) => {
      resolve(Number(headers[':status']));
      session.destroy();
    });
  });
}
