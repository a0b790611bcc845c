import { randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../test/contract/router-instance.ts';
import type { CertificateSource } from '../../core/gateway-settings.ts';
import type { CertificateBundle } from './certificate-bundle.ts';
import { CertificateKeeper } from './certificate-keeper.ts';
import { makeAuthority, makeLeaf, type PemPair } from './x509.ts';

const dayMs = 86_400_000;
const open: CertificateKeeper[] = [];
let folder: string;
let clock = 0;
let shown: readonly CertificateBundle[] = [];
let published = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veza-certificates-'));
  clock = Date.now();
  shown = [];
  published = 0;
});

afterEach(async () => {
  for (const keeper of open.splice(0)) await keeper.close();
  await rm(folder, { recursive: true, force: true });
});

async function keeperOf(...certificates: readonly CertificateSource[]): Promise<CertificateKeeper> {
  return await keeperAt('192.0.2.1', ...certificates);
}

async function keeperAt(host: string, ...certificates: readonly CertificateSource[]): Promise<CertificateKeeper> {
  const keeper = new CertificateKeeper({
    https: { host, certificates },
    folder: join(folder, 'state'),
    log: () => {},
    now: () => clock,
    random: () => 0.5,
    onCertificates: (bundles) => {
      shown = bundles;
      published += 1;
    },
    onChallenges: () => Promise.reject(new Error('nobody asked for challenges')),
  });
  open.push(keeper);
  await keeper.start();
  return keeper;
}

const file = (name: string): string => join(folder, name);
const files = (): CertificateSource => ({ kind: 'files', certificate: file('chain.pem'), key: file('key.pem') });

async function pairOf(hosts: readonly string[], ms = 90 * dayMs, from = clock): Promise<PemPair> {
  return await makeLeaf(hosts, null, { from, ms }, randomBytes(16));
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** An authority's certificate, signed by itself as `openssl req -x509` does it, or by another authority. */
async function authority(hosts: readonly string[], by: 'itself' | 'another'): Promise<PemPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const above = by === 'itself' ? keys : await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=a.test',
    issuer: by === 'itself' ? 'CN=a.test' : 'CN=above',
    notBefore: new Date(clock),
    notAfter: new Date(clock + 9 * dayMs),
    publicKey: keys.publicKey,
    signingKey: above.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(above.publicKey),
      new BasicConstraintsExtension(true, undefined, true),
      ...(hosts.length === 0
        ? []
        : [
            new SubjectAlternativeNameExtension(
              hosts.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
            ),
          ]),
    ],
  });
  const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { certificate: certificate.toString('pem'), key };
}

async function put(name: string, content: string): Promise<void> {
  await writeFile(file(`${name}.new`), content);
  await rename(file(`${name}.new`), file(name));
}

async function putPair({ certificate, key }: PemPair): Promise<void> {
  await put('chain.pem', certificate);
  await put('key.pem', key);
}

describe('files', () => {
  test('the hosts are those that the certificate names', async () => {
    await putPair(await pairOf(['A.test', '*.b.test', '127.0.0.1']));
    const keeper = await keeperOf(files());
    expect(shown[0]).toMatchObject({ source: 'files', hosts: ['a.test', '*.b.test', '127.0.0.1'] });
    expect(keeper.warnings).toEqual([]);
  });

  test('replaced files are taken up by themselves, once both are there', async () => {
    await putPair(await pairOf(['a.test']));
    const keeper = await keeperOf(files());
    const next = await pairOf(['b.test']);
    await put('key.pem', next.key);
    await put('chain.pem', next.certificate);
    await until(() => shown[0]?.hosts[0] === 'b.test', 'the new certificate');
    expect(keeper.warnings).toEqual([]);
    expect(published).toBe(2);
  });

  test('files that nobody announced are looked at within a minute', async () => {
    const keeper = await keeperOf(files());
    expect(shown).toEqual([]);
    expect(keeper.warnings[0]).toMatch(/chain\.pem cannot be used: it cannot be read \(ENOENT\)/);
    await putPair(await pairOf(['a.test']));
    clock += 61_000;
    await keeper.tick();
    expect(shown[0]?.hosts).toEqual(['a.test']);
    expect(keeper.warnings).toEqual([]);
  });

  test.each<[string, (good: PemPair) => Promise<Partial<PemPair>>, RegExp]>([
    [
      'a key of another',
      async () => ({ key: (await pairOf(['a.test'])).key }),
      /key\.pem .*not the key of the certificate/,
    ],
    ['no certificate', async () => ({ certificate: 'nonsense' }), /chain\.pem .*no PEM certificate/],
    [
      'half a certificate',
      async (good) => ({ certificate: good.certificate.replace(/^MI.{40}/m, '') }),
      /chain\.pem .*cannot be read/,
    ],
    ['no key', async () => ({ key: 'nonsense' }), /key\.pem .*no PEM private key/],
    [
      'a key with a passphrase',
      async () => ({ key: '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n' }),
      /key\.pem .*passphrase/,
    ],
    ['an expired one', async () => await pairOf(['a.test'], dayMs, clock - 10 * dayMs), /chain\.pem .*expired on/],
    [
      'a chain in the wrong order',
      async (good) => ({ ...good, certificate: `${good.certificate}${(await pairOf(['c.test'])).certificate}` }),
      /certificate 2 .*did not sign certificate 1/,
    ],
    [
      'an authority’s',
      async () => await makeAuthority('x', { from: clock, ms: dayMs }, randomBytes(16)),
      /that of an authority/,
    ],
    [
      'one signed by itself, as OpenSSL makes it without being told a host',
      async () => await authority([], 'itself'),
      /has to name its hosts/,
    ],
    [
      'an authority’s below another, though it names a host',
      async () => await authority(['a.test'], 'another'),
      /that of an authority/,
    ],
  ])('%s leaves the old one in use, and the warning names what is wrong', async (_, broken, reason) => {
    const good = await pairOf(['a.test']);
    await putPair(good);
    const keeper = await keeperOf(files());
    await putPair({ ...(await pairOf(['b.test'])), ...(await broken(good)) });
    clock += 61_000;
    await keeper.tick();
    expect(keeper.warnings[0]).toMatch(reason);
    expect(keeper.warnings[0]).toContain(`valid until ${new Date(shown[0]?.notAfter ?? 0).toISOString()}`);
    expect(shown[0]?.certificate).toBe(good.certificate);

    await putPair(await pairOf(['c.test']));
    clock += 61_000;
    await keeper.tick();
    expect(shown[0]?.hosts).toEqual(['c.test']);
    expect(keeper.warnings).toEqual([]);
  });

  test('one signed by itself, as OpenSSL makes it when it is told a host, is shown', async () => {
    await putPair(await authority(['a.test', '127.0.0.1', '::1'], 'itself'));
    const keeper = await keeperOf(files());
    expect(new X509Certificate(shown[0]?.certificate ?? '').ca).toBe(true);
    expect(shown[0]?.hosts).toEqual(['a.test', '127.0.0.1', '::1']);
    expect(keeper.warnings).toEqual([]);
  });

  test('a gateway does not take another’s place with files of no use, unless they were of none to the other either', async () => {
    const missing = await keeperOf(files());
    expect(() => missing.refuseIfWorse([])).toThrow(/chain\.pem cannot be used: it cannot be read \(ENOENT\)\.$/);
    expect(() => missing.refuseIfWorse(missing.unusable.map(({ source }) => source))).not.toThrow();

    await putPair(await pairOf(['a.test'], dayMs, clock - 10 * dayMs));
    const expired = await keeperOf(files());
    expect(shown[0]?.hosts).toEqual(['a.test']);
    expect(() => expired.refuseIfWorse([])).toThrow(/chain\.pem expired on/);

    await putPair(await pairOf(['b.test']));
    const good = await keeperOf(files());
    expect(() => good.refuseIfWorse([])).not.toThrow();
    // What it has is of use, whatever the files have become since.
    await put('key.pem', 'nonsense');
    clock += 61_000;
    await good.tick();
    expect(good.warnings).toHaveLength(1);
    expect(good.unusable).toEqual([]);
  });

  test('one that nobody renews is warned of in the last sixth of its life, and shown when there is no other', async () => {
    await putPair(await pairOf(['a.test'], 60 * dayMs));
    const keeper = await keeperOf(files());
    expect(keeper.warnings).toEqual([]);
    clock += 51 * dayMs;
    expect(keeper.warnings[0]).toMatch(/expires on/);
    clock += 10 * dayMs;
    expect(keeper.warnings[0]).toMatch(/expired on/);
    await keeperOf(files());
    expect(shown[0]?.hosts).toEqual(['a.test']);
  });
});

describe('development', () => {
  const development: CertificateSource = { kind: 'development', hosts: ['localhost', 'App.test'] };

  test('a certificate of an authority that stays the same; its key is nobody else’s to read', async () => {
    const keeper = await keeperOf(development);
    const ca = await readFile(join(folder, 'state', 'development-ca.pem'), 'utf8');
    const leaf = new X509Certificate(shown[0]?.certificate ?? '');
    expect(leaf.verify(new X509Certificate(ca).publicKey)).toBe(true);
    expect(leaf.checkHost('app.test')).toBe('app.test');
    expect((await stat(join(folder, 'state', 'development-ca.key'))).mode & 0o777).toBe(0o600);
    expect(keeper.status[0]?.note).toContain(join(folder, 'state', 'development-ca.pem'));

    const first = shown[0]?.certificate;
    await keeperOf(development);
    expect(shown[0]?.certificate).toBe(first);
    await keeperOf({ kind: 'development', hosts: ['other.test'] });
    expect(shown[0]?.hosts).toEqual(['other.test']);
    expect(await readFile(join(folder, 'state', 'development-ca.pem'), 'utf8')).toBe(ca);
  });

  test('it is for the addresses of this machine, too, when nobody else can reach it', async () => {
    await keeperAt('127.0.0.1', development);
    const leaf = new X509Certificate(shown[0]?.certificate ?? '');
    expect([leaf.checkIP('127.0.0.1'), leaf.checkIP('::1')]).toEqual(['127.0.0.1', '::1']);
    await keeperAt('127.0.0.1', development);
    expect(new X509Certificate(shown[0]?.certificate ?? '').fingerprint256).toBe(leaf.fingerprint256);
    await keeperAt('0.0.0.0', development);
    expect(shown[0]?.hosts).toEqual(['localhost', 'app.test']);
  });

  test('it is renewed after two thirds of thirty days, and when it is asked for', async () => {
    const keeper = await keeperOf(development);
    const first = shown[0]?.certificate;
    clock += 19 * dayMs;
    await keeper.tick();
    expect(shown[0]?.certificate).toBe(first);
    clock += 2 * dayMs;
    await keeper.tick();
    const second = shown[0]?.certificate;
    expect(second).not.toBe(first);
    expect(await keeper.renew('LocalHost')).toBe(true);
    expect(shown[0]?.certificate).not.toBe(second);
    expect(await keeper.renew('other.test')).toBe(false);
  });

  test('an authority that is damaged is not replaced behind people’s backs', async () => {
    await keeperOf(development);
    await writeFile(join(folder, 'state', 'development-ca.pem'), 'damaged');
    const keeper = await keeperOf({ kind: 'development', hosts: ['other.test'] });
    expect(keeper.warnings[0]).toMatch(/development-ca\.pem cannot be used: it is damaged/);
    expect(await readFile(join(folder, 'state', 'development-ca.pem'), 'utf8')).toBe('damaged');
  });
});

describe('an authority that cannot be reached', () => {
  const minuteMs = 60_000;
  const acme: CertificateSource = {
    kind: 'acme',
    hosts: ['a.test'],
    email: null,
    directory: 'https://127.0.0.1:1/directory',
    trust: null,
  };
  const nextTry = (keeper: CertificateKeeper): number =>
    Date.parse(/Next try at (\S+)\.$/.exec(keeper.status[0]?.warning ?? '')?.[1] ?? '');

  test('is asked once when somebody wants a certificate now, and then no more often than without him', async () => {
    const keeper = await keeperOf(acme);
    await keeper.tick();
    expect(keeper.status[0]).toMatchObject({ source: 'acme', shown: 'placeholder', hosts: ['a.test'] });
    expect(nextTry(keeper)).toBe(clock + minuteMs);
    await keeper.renew('a.test');
    expect(nextTry(keeper)).toBe(clock + 2 * minuteMs);
    await keeper.tick();
    clock += minuteMs;
    await keeper.tick();
    expect(nextTry(keeper)).toBe(clock + minuteMs);
    clock += minuteMs;
    await keeper.tick();
    expect(nextTry(keeper)).toBe(clock + 4 * minuteMs);
  });

  test('and why it failed is known over a restart', async () => {
    const before = await keeperOf(acme);
    await before.tick();
    const { warning } = before.status[0] ?? {};
    expect(warning).toContain('127.0.0.1:1');
    await before.close();
    expect((await keeperOf(acme)).status[0]?.warning).toBe(warning);
  });
});

test('several sources are shown in the order of the declaration, and one that fails hurts no other', async () => {
  const keeper = await keeperOf(files(), { kind: 'development', hosts: ['localhost'] });
  expect(shown.map(({ source }) => source)).toEqual(['development']);
  await putPair(await pairOf(['a.test']));
  clock += 61_000;
  await keeper.tick();
  expect(shown.map(({ source }) => source)).toEqual(['files', 'development']);
  expect(Object.keys(shown[0] ?? {}).toSorted()).toEqual(['certificate', 'hosts', 'key', 'notAfter', 'source']);
});
