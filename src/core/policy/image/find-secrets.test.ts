import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findSecrets, isLikelySecret, secretsByPath, textKindOf } from './find-secrets.ts';

// Keys of tests are put together here, so that this file is none of those that it is about.
const begin = (type: string): string => `-----BEGIN ${type}PRIVATE KEY-----`;
const BODY = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDKx1Zr8b4';

const found = (text: string, path: string): readonly string[] =>
  findSecrets(text, textKindOf(path)).map(({ what }) => what);

describe('private keys', () => {
  it.each([
    ['a file', `${begin('RSA ')}\n${BODY}\n`],
    ['JSON', `{"private_key": "${begin('')}\\n${BODY}\\n"}`],
    ['a program that puts lines together', `const key = '${begin('EC ')}\\n' +\n  '${BODY}\\n';`],
    ['an old file with headers', `${begin('RSA ')}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,ABC\n\n${BODY}`],
  ])('are found in %s', (_, text) => {
    expect(found(text, 'x').join()).toContain('a private key');
  });
  it('are not found where only their first line is: every TLS library has that', () => {
    expect(found(`if (text.startsWith('${begin('RSA ')}')) return parse(text);`, 'x.js')).toEqual([]);
    expect(found(`${begin('')}\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`, 'README.md')).toEqual([]);
  });
});

describe('assignments', () => {
  it.each([
    ['config.json', '{"jwtSecret": "q8Zr2LmX7vTn4KpW9sYd"}'],
    ['config.yaml', 'database:\n  password: q8Zr2LmX7vTn4KpW9sYd\n'],
    ['main.js', "const apiKey = 'q8Zr2LmX7vTn4KpW9sYd';"],
    ['main.py', "SECRET_KEY = 'b3f1c2d4e5a69788f0e1d2c3b4a59687'"],
    ['.env', 'export SESSION_SECRET="hunter2hunter2"'],
    ['.env.production', 'DB_PASSWORD=correct horse battery staple'],
    ['.npmrc', '//registry.npmjs.org/:_authToken=0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9'],
    ['app.ini', 'url = postgres://veza:q8Zr2LmX@db.internal:5432/veza'],
    ['.docker/config.json', '{"auths":{"registry.example":{"auth":"dXNlcjpwYXNzd29yZDEyMw=="}}}'],
    [
      '.kube/config',
      'users:\n- user:\n    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcFFJQkFBS0NBUUVB',
    ],
  ])('of secrets are found in %s', (path, text) => {
    expect(found(text, path)).not.toEqual([]);
  });
  it.each([
    ['config.json', '{"passwordPolicy": "minimum-16-characters"}'],
    ['main.js', 'const token = await readTokenFromStorage(request);'],
    ['main.js', "const tokenType = 'urn:ietf:params:oauth:token-type:jwt';"],
    ['main.js', "throw new Error('secret: must have 32 characters or more');"],
    ['main.js', "if (token === 'TemplateLiteralMiddle2') return;"],
    ['config.yaml', 'password: ${DB_PASSWORD}'],
    ['config.yaml', 'secretName: veza-secrets-2027'],
    ['package-lock.json', '{"token": "sha512-q8Zr2LmX7vTn4KpW9sYd=="}'],
    ['README.md', 'postgres://user:password@localhost:5432/db'],
    ['.npmrc', '//registry.npmjs.org/:_authToken=${NPM_TOKEN}'],
  ])('of something else are passed over in %s', (path, text) => {
    expect(found(text, path)).toEqual([]);
  });
});

describe('a value', () => {
  it('that is random is told from words in nearly all cases', () => {
    const random = fc.string({
      unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'.split('')),
      minLength: 24,
      maxLength: 64,
    });
    const values = fc.sample(random, { numRuns: 2000, seed: 7 });
    const missed = values.filter((value) => !isLikelySecret(value)).length;
    expect(missed / values.length).toBeLessThan(0.05);
  });
  it('of words is none', () => {
    const words = fc.array(
      fc.constantFrom('the', 'token', 'secret', 'of', 'session', 'user', 'header', 'missing', 'v1', 'api'),
      { minLength: 3, maxLength: 9 },
    );
    fc.assert(
      fc.property(words, fc.constantFrom('-', '_', '.', '/'), (parts, between) => {
        expect(isLikelySecret(parts.join(between))).toBe(false);
      }),
    );
  });
});

describe('the name of a file', () => {
  it.each([
    'root/.ssh/id_rsa',
    'app/Keystore.P12',
    'root/.aws/credentials',
    'app/.git/HEAD',
    'run/secrets/db',
    'x/terraform.tfstate',
  ])('tells that %s holds secrets', (path) => {
    expect(secretsByPath(path, 1).map(({ severity }) => severity)).toEqual(['refuse']);
    expect(secretsByPath(path, 0)).toEqual([]);
  });
  it.each(['root/.ssh/id_rsa.pub', 'app/.env.example', 'etc/ssl/certs/ca.pem', 'app/.gitignore'])(
    'tells nothing of %s',
    (path) => {
      expect(secretsByPath(path, 1)).toEqual([]);
    },
  );
});
