import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { expect, test } from 'vitest';
import type { CertificateSource, HttpsSettings } from '../../core/gateway-settings.ts';
import type { Target } from '../../core/spec/platform.ts';
import { startUrl } from './start-url.ts';

const https = (host: string, port: number, ...certificates: readonly CertificateSource[]): HttpsSettings => ({
  host,
  port,
  minVersion: 'TLSv1.2',
  http2: true,
  redirect: true,
  hsts: null,
  certificates,
});

const target = (secure: HttpsSettings | null, host = '127.0.0.1'): Pick<Target, 'listen' | 'edge'> =>
  ({ listen: { host, port: 8_080 }, edge: { https: secure } }) as Pick<Target, 'listen' | 'edge'>;

const development = (...hosts: readonly string[]): CertificateSource => ({ kind: 'development', hosts });

test.each([
  ['127.0.0.1', 'http://127.0.0.1:8080'],
  ['0.0.0.0', 'http://localhost:8080'],
  ['::1', 'http://[::1]:8080'],
])('in the clear on %s it is %s', (host, url) => {
  expect(startUrl(target(null, host))).toBe(url);
});

test.each<[string, HttpsSettings, string]>([
  [
    'an address',
    https('127.0.0.1', 8_443, development('*.shop.test', 'shop.test', 'localhost')),
    'https://shop.test:8443',
  ],
  ['every address', https('0.0.0.0', 443, development('shop.test')), 'https://shop.test'],
  ['a name', https('localhost', 8_443, development('shop.test')), 'https://localhost:8443'],
  ['an address that alone is covered', https('::1', 8_443, development('::1')), 'https://[::1]:8443'],
  [
    'an address, with a certificate that cannot be read',
    https('127.0.0.1', 8_443, { kind: 'files', certificate: '/nowhere/chain.pem', key: '/nowhere/key.pem' }),
    'https://127.0.0.1:8443',
  ],
])('encrypted on %s it is a host that a certificate is for', (_, secure, url) => {
  expect(startUrl(target(secure))).toBe(url);
});

test('a route’s own host goes first', () => {
  expect(startUrl(target(https('127.0.0.1', 8_443, development('localhost'))), 'shop.test')).toBe(
    'https://shop.test:8443',
  );
});

test('of certificates in files it is the host that the certificate names', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'veza-start-url-'));
  try {
    const [certificate, key] = [join(folder, 'chain.pem'), join(folder, 'key.pem')];
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
    const made = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=shop',
      keys: await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
      signingAlgorithm: algorithm,
      extensions: [
        new SubjectAlternativeNameExtension([
          { type: 'ip', value: '127.0.0.1' },
          { type: 'dns', value: '*.shop.test' },
          { type: 'dns', value: 'Shop.test' },
        ]),
      ],
    });
    writeFileSync(certificate, made.toString('pem'));
    expect(startUrl(target(https('0.0.0.0', 443, { kind: 'files', certificate, key })))).toBe('https://shop.test');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
