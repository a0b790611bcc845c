import { createServer, type Server } from 'node:http';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'acme-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AuthorityLine } from '../../src/gateway/tls/acme-transport.ts';
import type { CertificateBundle } from '../../src/gateway/tls/certificate-bundle.ts';
import { CertificateKeeper } from '../../src/gateway/tls/certificate-keeper.ts';
import { challengeAnswer } from '../../src/gateway/tls/challenge-answer.ts';
import { pebbleAvailable, startPebble, type Pebble } from '../rig/pebble.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

describe.skipIf(!pebbleAvailable)('certificates from an authority (Pebble)', () => {
  let pebble: Pebble;
  let responder: Server;
  let answers: Readonly<Record<string, string>> = {};
  let fetched: string[] = [];
  let spoil = false;
  let folder: string;
  let clock = 0;
  let shown: readonly CertificateBundle[] = [];
  let keeper: CertificateKeeper;

  beforeAll(async () => {
    responder = createServer((incoming, answer) => {
      const path = incoming.url ?? '';
      const text = challengeAnswer(path, answers);
      fetched.push(`${incoming.headers.host?.replace(/:.*/, '')}${path.replace(/[^/]+$/, '')}`);
      answer.writeHead(text === null ? 404 : 200).end(spoil ? 'something else' : text);
    });
    responder.listen(0, '127.0.0.1');
    await new Promise((resolve) => responder.once('listening', resolve));
    pebble = await startPebble((responder.address() as AddressInfo).port);
  }, 300_000);

  afterAll(async () => {
    await pebble?.close();
    await new Promise((resolve) => responder.close(resolve));
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'veza-acme-'));
    answers = {};
    fetched = [];
    spoil = false;
    shown = [];
    clock = Date.now();
    pebble.fault = 'none';
    keeper = newKeeper(['a.test', 'b.test']);
  });

  afterEach(async () => {
    await keeper.close();
    await rm(folder, { recursive: true, force: true });
  });

  function newKeeper(...sets: readonly (readonly string[])[]): CertificateKeeper {
    return new CertificateKeeper({
      https: {
        host: '127.0.0.1',
        certificates: sets.map((hosts) => ({
          kind: 'acme',
          hosts,
          email: null,
          directory: pebble.directory,
          trust: pebble.trust,
        })),
      },
      folder,
      log: () => {},
      now: () => clock,
      random: () => 0.5,
      pollMs: 20,
      onCertificates: (bundles) => {
        shown = bundles;
      },
      onChallenges: (given) => {
        answers = given;
        return Promise.resolve();
      },
    });
  }

  const serial = (): string => new X509Certificate(shown[0]?.certificate ?? '').serialNumber;

  test('a placeholder keeps TLS up until the certificate for all hosts has been issued', async () => {
    await keeper.start();
    expect(shown.map(({ source, hosts }) => ({ source, hosts }))).toEqual([
      { source: 'placeholder', hosts: ['a.test', 'b.test'] },
    ]);
    expect(keeper.status[0]).toMatchObject({ shown: 'placeholder' });
    expect(keeper.warnings[0]).toContain('no certificate has been issued yet');

    await keeper.tick();

    expect(keeper.warnings).toEqual([]);
    expect(shown[0]).toMatchObject({ source: 'acme', hosts: ['a.test', 'b.test'] });
    expect(new X509Certificate(shown[0]?.certificate ?? '').issuer).toContain('Pebble');
    expect(shown[0]?.certificate.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThanOrEqual(2);
    // Each host was asked, by its name; afterwards no challenge is answered any more.
    expect([...new Set(fetched)].toSorted()).toEqual([
      'a.test/.well-known/acme-challenge/',
      'b.test/.well-known/acme-challenge/',
    ]);
    expect(answers).toEqual({});
    // Keys are nobody else's to read.
    for (const name of await readdir(folder, { recursive: true })) {
      const { mode } = await stat(join(folder, name));
      expect(mode & 0o077).toBe(0);
    }
  });

  test('after a restart the certificate is there at once, and nothing is ordered', async () => {
    await keeper.start();
    await keeper.tick();
    const first = serial();
    const before = pebble.orders();
    await keeper.close();
    keeper = newKeeper(['b.test', 'a.test']);
    await keeper.start();
    expect(shown[0]?.source).toBe('acme');
    await keeper.tick();
    expect(serial()).toBe(first);
    expect(pebble.orders()).toBe(before);
  });

  test('it is renewed at about two thirds of its life, and not before', async () => {
    await keeper.start();
    await keeper.tick();
    const first = serial();
    clock += 50 * dayMs;
    await keeper.tick();
    expect(serial()).toBe(first);
    clock += 11 * dayMs;
    await keeper.tick();
    expect(serial()).not.toBe(first);
    expect(keeper.warnings).toEqual([]);
  });

  test('one that was revoked is noticed by what the authority says about renewal, and replaced', async () => {
    await keeper.start();
    await keeper.tick();
    const first = serial();
    await revoke(shown[0]?.certificate ?? '');
    clock += 25 * hourMs;
    await keeper.tick();
    expect(serial()).not.toBe(first);
    const second = serial();
    clock += 25 * hourMs;
    await keeper.tick();
    expect(serial()).toBe(second);
  });

  test('one is replaced at once when somebody asks for it', async () => {
    await keeper.start();
    await keeper.tick();
    const first = serial();
    await keeper.renew('A.test');
    expect(serial()).not.toBe(first);
    const second = serial();
    await keeper.renew('c.test');
    expect(serial()).toBe(second);
  });

  test('a rate limit is respected for as long as the authority says, also over a restart', async () => {
    pebble.fault = 'rate-limited';
    await keeper.start();
    await keeper.tick();
    expect(keeper.warnings[0]).toContain('rateLimited');
    expect(keeper.warnings[0]).toContain(new Date(clock + 2 * hourMs).toISOString());

    pebble.fault = 'none';
    const before = pebble.orders();
    clock += hourMs;
    await keeper.tick();
    await keeper.renew(null);
    await keeper.close();
    keeper = newKeeper(['a.test', 'b.test']);
    await keeper.start();
    await keeper.tick();
    expect(pebble.orders()).toBe(before);
    expect(shown[0]?.source).toBe('placeholder');

    clock += hourMs;
    await keeper.tick();
    expect(pebble.orders()).toBe(before + 1);
    expect(shown[0]?.source).toBe('acme');
  });

  test('while the authority is down the old certificate stays, with a warning until when; then it comes back by itself', async () => {
    await keeper.start();
    await keeper.tick();
    const first = serial();
    pebble.fault = 'down';
    clock += 61 * dayMs;
    await keeper.tick();
    expect(serial()).toBe(first);
    const until90 = new Date(shown[0]?.notAfter ?? 0).toISOString();
    expect(keeper.warnings[0]).toMatch(new RegExp(`cannot be reached .* valid until ${until90}`));
    const pauses: number[] = [];
    for (let n = 0; n < 4; n += 1) {
      const next = keeper.status[0]?.renewAt;
      expect(next).toBeDefined();
      const planned = Date.parse(/Next try at (\S+)\.$/.exec(keeper.warnings[0] ?? '')?.[1] ?? '');
      pauses.push((planned - clock) / 60_000);
      clock = planned;
      await keeper.tick();
    }
    expect(pauses).toEqual([1, 2, 4, 8]);
    pebble.fault = 'none';
    clock += hourMs;
    await keeper.tick();
    expect(serial()).not.toBe(first);
    expect(keeper.warnings).toEqual([]);
  });

  test('a challenge that is answered wrongly is refused, and the authority’s words are passed on', async () => {
    spoil = true;
    await keeper.start();
    await keeper.tick();
    expect(shown[0]?.source).toBe('placeholder');
    expect(keeper.warnings[0]).toMatch(/[ab]\.test was not proven: .*unauthorized/);
    spoil = false;
    clock += hourMs;
    await keeper.tick();
    expect(shown[0]?.source).toBe('acme');
  });

  test('an order that was interrupted is gone on with, not begun again', async () => {
    const before = pebble.orders();
    await keeper.close();
    let reached = (): void => {};
    const interrupted = new Promise<void>((resolve) => {
      reached = resolve;
    });
    keeper = new CertificateKeeper({
      https: {
        host: '127.0.0.1',
        certificates: [
          { kind: 'acme', hosts: ['c.test'], email: null, directory: pebble.directory, trust: pebble.trust },
        ],
      },
      folder,
      log: () => {},
      now: () => clock,
      random: () => 0.5,
      pollMs: 20,
      onCertificates: () => {},
      onChallenges: (given) => {
        if (Object.keys(given).length === 0) return Promise.resolve();
        reached();
        return Promise.reject(new Error('the workers are gone'));
      },
    });
    await keeper.start();
    await Promise.all([keeper.tick(), interrupted]);
    expect(pebble.orders()).toBe(before + 1);
    await keeper.close();

    clock += hourMs;
    keeper = newKeeper(['c.test']);
    await keeper.start();
    await keeper.tick();
    expect(shown[0]).toMatchObject({ source: 'acme', hosts: ['c.test'] });
    expect(pebble.orders()).toBe(before + 1);
  });

  test('several certificates are ordered one after the other', async () => {
    await keeper.close();
    keeper = newKeeper(['a.test'], ['d.test', 'e.test']);
    await keeper.start();
    await keeper.tick();
    expect(shown.map(({ source, hosts }) => [source, hosts])).toEqual([
      ['acme', ['a.test']],
      ['acme', ['d.test', 'e.test']],
    ]);
  });

  async function revoke(certificate: string): Promise<void> {
    const name = (await readdir(folder)).find((one) => one.startsWith('acme-account-')) ?? '';
    const account = JSON.parse(await readFile(join(folder, name), 'utf8')) as { key: string; url: string };
    const line = new AuthorityLine(pebble.directory, await readFile(pebble.trust, 'utf8'));
    const client = new Client({ directoryUrl: pebble.directory, accountKey: account.key, accountUrl: account.url });
    await line.call(client, AbortSignal.timeout(10_000), () =>
      client.revokeCertificate(certificate.slice(0, certificate.indexOf('-----END CERTIFICATE-----') + 25)),
    );
    await line.close();
  }
});
