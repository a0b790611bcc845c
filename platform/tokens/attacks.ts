// For tests and docs/tokens.md: tokens that must not be believed, each a row of a table.
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { base64url, forge, goodClaims, hmac, NOW, PERSON, rsa, type RsaPair } from './forge.ts';
import type { RefusalReason } from './token-refused.ts';

/** What an attacker has: everything public, keys of their own, and good tokens of their own account. */
export interface Battlefield {
  readonly published: RsaPair;
  readonly attackers: RsaPair;
  /** Known to the verifiers, not to the attacker: used to make tokens that are wrong in one thing only. */
  readonly secret: Buffer;
  readonly retiredSecret: Buffer;
}

export interface Attack {
  readonly group: string;
  readonly name: string;
  readonly refusedAs: RefusalReason;
  readonly token: (field: Battlefield) => string;
}

const RS = { alg: 'RS256', kid: 'rs-1', typ: 'JWT' } as const;
const HS = { alg: 'HS256', kid: 'hs-1', typ: 'JWT' } as const;
const seconds = Math.floor(NOW / 1_000);

const withRsa =
  (header: object | string, claims: object | string = goodClaims()) =>
  ({ published }: Battlefield): string =>
    forge(header, claims, rsa(published.privateKey));
const withHmac =
  (header: object | string, claims: object | string = goodClaims()) =>
  ({ secret }: Battlefield): string =>
    forge(header, claims, hmac(secret));
const good = withRsa(RS);
const changed =
  (change: (parts: readonly [string, string, string]) => string) =>
  (field: Battlefield): string => {
    const [header = '', payload = '', signature = ''] = good(field).split('.');
    return change([header, payload, signature]);
  };
const claiming = (claims: object) => withRsa(RS, { ...goodClaims(), ...claims });
const without = (claim: string) =>
  withRsa(RS, Object.fromEntries(Object.entries(goodClaims()).filter(([name]) => name !== claim)));
const publicAs =
  (form: (key: KeyObject) => string | Buffer, header: object = { ...RS, alg: 'HS256' }) =>
  ({ published }: Battlefield): string =>
    forge(header, goodClaims(), hmac(form(published.publicKey)));
const headerText = (extra: string): string => `{"alg":"RS256","kid":"rs-1","typ":"JWT"${extra}}`;
const attackersKeyIn = (member: (field: Battlefield) => object) => (field: Battlefield) =>
  forge({ ...RS, ...member(field) }, goodClaims(), rsa(field.attackers.privateKey));
const ellipticSignature = (input: Buffer): Buffer =>
  sign('sha256', input, {
    key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    dsaEncoding: 'ieee-p1363',
  });

type Row = readonly [name: string, refusedAs: RefusalReason, token: Attack['token']];

const noneSpellings = ['none', 'None', 'NONE', 'nOnE', 'none ', ' none', 'none\u0000', 'n\u00f6ne', ''];

const groups: Readonly<Record<string, readonly Row[]>> = {
  'algorithm confusion': [
    [
      'HS256 with the public key as PEM (SPKI)',
      'algorithm',
      publicAs((key) => key.export({ type: 'spki', format: 'pem' })),
    ],
    [
      'HS256 with the public key as PEM, without the last line feed',
      'algorithm',
      publicAs((key) => key.export({ type: 'spki', format: 'pem' }).toString().trim()),
    ],
    [
      'HS256 with the public key as PEM (PKCS#1)',
      'algorithm',
      publicAs((key) => key.export({ type: 'pkcs1', format: 'pem' })),
    ],
    [
      'HS256 with the public key as DER (SPKI)',
      'algorithm',
      publicAs((key) => key.export({ type: 'spki', format: 'der' })),
    ],
    [
      'HS256 with the public key as DER (PKCS#1)',
      'algorithm',
      publicAs((key) => key.export({ type: 'pkcs1', format: 'der' })),
    ],
    ['HS256 with the public key as JWK', 'algorithm', publicAs((key) => JSON.stringify(key.export({ format: 'jwk' })))],
    [
      'HS256 with the modulus of the public key',
      'algorithm',
      publicAs((key) => Buffer.from(key.export({ format: 'jwk' }).n ?? '', 'base64url')),
    ],
    [
      'HS256 with the public key as PEM, under the kid of the secret',
      'signature',
      publicAs((key) => key.export({ type: 'spki', format: 'pem' }), HS),
    ],
    ['RS256 in the header, under the kid of the secret', 'algorithm', withRsa({ ...RS, kid: 'hs-1' })],
    ['HS256 in the header, RSA signature', 'algorithm', withRsa({ ...HS, kid: 'rs-1' })],
    [
      'HS384 with the right secret',
      'algorithm',
      ({ secret }) => forge({ ...HS, alg: 'HS384' }, goodClaims(), hmac(secret, 'sha384')),
    ],
    [
      'HS512 with the right secret',
      'algorithm',
      ({ secret }) => forge({ ...HS, alg: 'HS512' }, goodClaims(), hmac(secret, 'sha512')),
    ],
    [
      'RS512 with the right key',
      'algorithm',
      ({ published }) => forge({ ...RS, alg: 'RS512' }, goodClaims(), rsa(published.privateKey, 'sha512')),
    ],
    [
      'PS256 with the right key',
      'algorithm',
      ({ published }) =>
        forge(
          { ...RS, alg: 'PS256' },
          goodClaims(),
          rsa(published.privateKey, 'sha256', constants.RSA_PKCS1_PSS_PADDING),
        ),
    ],
    ['ES256 with a key of its own', 'algorithm', () => forge({ ...RS, alg: 'ES256' }, goodClaims(), ellipticSignature)],
    ['rs256 in lower case', 'algorithm', withRsa({ ...RS, alg: 'rs256' })],
    ['no alg', 'malformed', withRsa({ kid: 'rs-1', typ: 'JWT' })],
    ['alg as an array', 'malformed', withRsa({ ...RS, alg: ['RS256'] })],
  ],
  'no signature': [
    ...noneSpellings.map((alg): Row => [
      `alg ${JSON.stringify(alg)}, signature empty`,
      'malformed',
      () => forge({ ...RS, alg }, goodClaims(), Buffer.of()),
    ]),
    ...noneSpellings.map((alg): Row => [
      `alg ${JSON.stringify(alg)}, signature kept`,
      'algorithm',
      withRsa({ ...RS, alg }),
    ]),
    ['RS256 with an empty signature', 'malformed', changed(([header, payload]) => `${header}.${payload}.`)],
    ['two parts only', 'malformed', changed(([header, payload]) => `${header}.${payload}`)],
    ['a signature of zeros, RSA', 'signature', () => forge(RS, goodClaims(), Buffer.alloc(256))],
    [
      'a signature that is the number 1, RSA',
      'signature',
      () => forge(RS, goodClaims(), Buffer.concat([Buffer.alloc(255), Buffer.of(1)])),
    ],
    ['a signature of one zero byte, RSA', 'signature', () => forge(RS, goodClaims(), Buffer.of(0))],
    ['a signature of zeros, HMAC', 'signature', () => forge(HS, goodClaims(), Buffer.alloc(32))],
    [
      'ES256 with r = s = 0 (CVE-2022-21449)',
      'algorithm',
      () => forge({ ...RS, alg: 'ES256' }, goodClaims(), Buffer.alloc(64)),
    ],
  ],
  'the name of the key': [
    ...(
      [
        ['SQL', "x' UNION SELECT 'secret' -- "],
        ['a path', '../../../../dev/null'],
        ['a shell command', '$(id)|id'],
        ['an address', 'https://evil.example/key.pem'],
        ['65 characters', 'k'.repeat(65)],
        ['2,000 characters', 'k'.repeat(2_000)],
        ['empty', ''],
        ['a blank before it', ' rs-1'],
        ['a line feed after it', 'rs-1\n'],
        ['a zero byte after it', 'rs-1\u0000'],
        ['another case', 'RS-1'],
        ['__proto__', '__proto__'],
        ['constructor', 'constructor'],
        ['toString', 'toString'],
        ['one that nobody has', 'rs-2'],
      ] as const
    ).map(([what, kid]): Row => [`kid: ${what}`, 'unknown-key', withRsa({ ...RS, kid })]),
    ['no kid', 'unknown-key', withRsa({ alg: 'RS256', typ: 'JWT' })],
    ['kid as a number', 'unknown-key', withRsa({ ...RS, kid: 1 })],
    ['kid as an array', 'unknown-key', withRsa({ ...RS, kid: ['rs-1'] })],
    ['kid as null', 'unknown-key', withRsa({ ...RS, kid: null })],
    [
      'the name of a retired key',
      'unknown-key',
      ({ retiredSecret }) => forge({ ...HS, kid: 'hs-0' }, goodClaims(), hmac(retiredSecret)),
    ],
    [
      'HMAC with an empty secret, kid of a file that is empty',
      'unknown-key',
      () => forge({ ...HS, kid: '/dev/null' }, goodClaims(), hmac('')),
    ],
    ["another key's name: RSA", 'signature', ({ attackers }) => forge(RS, goodClaims(), rsa(attackers.privateKey))],
    ["another key's name: HMAC", 'signature', ({ retiredSecret }) => forge(HS, goodClaims(), hmac(retiredSecret))],
  ],
  'keys and orders in the header': [
    ['jwk: a key of its own', 'malformed', attackersKeyIn(({ attackers }) => ({ jwk: attackers.publicJwk }))],
    ['jku: where its key is', 'malformed', attackersKeyIn(() => ({ jku: 'https://evil.example/jwks.json' }))],
    ['x5u: where its certificate is', 'malformed', attackersKeyIn(() => ({ x5u: 'https://evil.example/cert.pem' }))],
    ['x5c: its certificate', 'malformed', attackersKeyIn(() => ({ x5c: ['MIIB'] }))],
    ['x5t: the print of its certificate', 'malformed', attackersKeyIn(() => ({ x5t: base64url(Buffer.alloc(20)) }))],
    ['crit with a name that is not known', 'malformed', withRsa({ ...RS, crit: ['x'], x: 1 })],
    ['crit, empty', 'malformed', withRsa({ ...RS, crit: [] })],
    ['b64: false, marked critical', 'malformed', withRsa({ ...RS, b64: false, crit: ['b64'] })],
    ['b64: false, not marked', 'malformed', withRsa({ ...RS, b64: false })],
    ['zip', 'malformed', withRsa({ ...RS, zip: 'DEF' })],
    ['cty: a token in the token', 'malformed', withRsa({ ...RS, cty: 'JWT' })],
    ['typ: at+jwt', 'malformed', withRsa({ ...RS, typ: 'at+jwt' })],
    ['typ: logout+jwt', 'malformed', withRsa({ ...RS, typ: 'logout+jwt' })],
    ['no typ', 'malformed', withRsa({ alg: 'RS256', kid: 'rs-1' })],
    ['alg twice, none last', 'malformed', withRsa(headerText(',"alg":"none"'))],
    ['kid twice', 'malformed', withRsa(headerText(',"kid":"hs-1"'))],
    ['kid twice, once escaped', 'malformed', withRsa(headerText(',"\\u006bid":"hs-1"'))],
    ['a header that is an array', 'malformed', withRsa('["RS256"]')],
    ['a header that is no JSON', 'malformed', withRsa('alg=RS256')],
    ['a header with a byte order mark', 'malformed', withRsa(`\ufeff${headerText('')}`)],
  ],
  claims: [
    ['expired for 31 seconds', 'expired', withRsa(RS, goodClaims(NOW - 931_000))],
    ['expired for a year', 'expired', withRsa(RS, goodClaims(NOW - 31_536_000_000))],
    ['nbf 31 seconds ahead', 'not-yet-valid', claiming({ nbf: seconds + 31 })],
    ['iat 31 seconds ahead', 'not-yet-valid', withRsa(RS, goodClaims(NOW + 31_000))],
    ['good for 901 seconds', 'malformed', claiming({ exp: seconds + 901 })],
    ['good for ever', 'malformed', claiming({ exp: Number.MAX_SAFE_INTEGER })],
    [
      'exp beyond all numbers',
      'malformed',
      withRsa(RS, JSON.stringify(goodClaims()).replace(/"exp":\d+/, '"exp":1e400')),
    ],
    ['exp as text', 'malformed', claiming({ exp: String(seconds + 900) })],
    ['exp in milliseconds', 'malformed', claiming({ exp: NOW + 900_000 })],
    ['exp with a fraction', 'malformed', claiming({ exp: seconds + 899.5 })],
    ['exp before iat', 'malformed', claiming({ iat: seconds + 10, exp: seconds + 5 })],
    ['no exp', 'malformed', without('exp')],
    ['no iat', 'malformed', without('iat')],
    ['no sub', 'malformed', without('sub')],
    ['no sid', 'malformed', without('sid')],
    ['no iss', 'issuer', without('iss')],
    ['no aud', 'audience', without('aud')],
    ['sub that is no UUID', 'malformed', claiming({ sub: "1' OR '1'='1" })],
    ['sub as an array', 'malformed', claiming({ sub: [PERSON.id] })],
    ['iss of somebody else', 'issuer', claiming({ iss: 'https://evil.example' })],
    ['iss with a slash at the end', 'issuer', claiming({ iss: 'https://api.veza.app/' })],
    ['iss in another case', 'issuer', claiming({ iss: 'https://API.veza.app' })],
    ['iss as an array that has ours', 'issuer', claiming({ iss: ['https://api.veza.app', 'https://evil.example'] })],
    ['aud of somebody else', 'audience', claiming({ aud: 'https://evil.example' })],
    ['aud that begins with ours', 'audience', claiming({ aud: 'https://veza.app.evil.example' })],
    [
      'aud as an array with ours and another',
      'audience',
      claiming({ aud: ['https://veza.app', 'https://evil.example'] }),
    ],
    ['aud as an array with ours alone', 'audience', claiming({ aud: ['https://veza.app'] })],
    ['aud as an empty array', 'audience', claiming({ aud: [] })],
    ['sub twice', 'malformed', withRsa(RS, JSON.stringify(goodClaims()).replace('{', `{"sub":"${PERSON.sessionId}",`))],
    ['exp twice', 'malformed', withRsa(RS, JSON.stringify(goodClaims()).replace('}', ',"exp":9999999999}'))],
    [
      'a member twice, deep inside',
      'malformed',
      withRsa(RS, JSON.stringify(goodClaims()).replace('}', ',"x":[{"a":1,"a":2}]}')),
    ],
    ['claims that are an array', 'malformed', withRsa(RS, '[]')],
    ['claims that are no JSON', 'malformed', withRsa(RS, 'sub=1')],
    [
      'claims that are no UTF-8',
      'malformed',
      ({ published }) => {
        const input = `${base64url(JSON.stringify(RS))}.${base64url(Buffer.from([0x7b, 0xff, 0x7d]))}`;
        return `${input}.${base64url(rsa(published.privateKey)(Buffer.from(input)))}`;
      },
    ],
  ],
  'the form of the token': [
    ['empty', 'malformed', () => ''],
    ['dots only', 'malformed', () => '..'],
    ['the header alone', 'malformed', changed(([header]) => header)],
    ['the last character missing', 'malformed', changed((parts) => parts.join('.').slice(0, -1))],
    [
      'the last byte of the signature missing',
      'signature',
      changed(([h, p, s]) => `${h}.${p}.${base64url(Buffer.from(s, 'base64url').subarray(1))}`),
    ],
    [
      'half of the signature',
      'signature',
      changed(([h, p, s]) => `${h}.${p}.${base64url(Buffer.from(s, 'base64url').subarray(0, 128))}`),
    ],
    [
      'a byte more in the signature',
      'signature',
      changed(([h, p, s]) => `${h}.${p}.${base64url(Buffer.concat([Buffer.from(s, 'base64url'), Buffer.of(0)]))}`),
    ],
    [
      "another token's signature",
      'signature',
      changed(
        ([header, , signature]) =>
          `${header}.${base64url(JSON.stringify({ ...goodClaims(), sub: PERSON.sessionId }))}.${signature}`,
      ),
    ],
    [
      'the signature of another header',
      'signature',
      changed(([, payload, signature]) => `${base64url(headerText('').replace('{', '{ '))}.${payload}.${signature}`),
    ],
    ['padding', 'malformed', changed(([h, p, s]) => `${h}.${p}.${s}==`)],
    ['a blank before it', 'malformed', changed((parts) => ` ${parts.join('.')}`)],
    ['a line feed after it', 'malformed', changed((parts) => `${parts.join('.')}\n`)],
    ['a line feed inside', 'malformed', changed(([h, p, s]) => `${h}.${p.slice(0, 4)}\n${p.slice(4)}.${s}`)],
    ['a zero byte after it', 'malformed', changed((parts) => `${parts.join('.')}\u0000`)],
    [
      'base64 instead of base64url',
      'malformed',
      changed(([h, p, s]) => `${h}.${p}.${Buffer.from(s, 'base64url').toString('base64')}`),
    ],
    [
      'unused bits set in the last character',
      'malformed',
      changed(([h, p, s]) => `${h}.${p}.${s.slice(0, -1)}${nextCharacter(s.at(-1) ?? '')}`),
    ],
    ['letters of other alphabets', 'malformed', changed(([h, p, s]) => `${h}.${p}.${s.slice(0, -1)}а`)],
    ['a fourth part', 'malformed', changed((parts) => `${parts.join('.')}.AA`)],
    [
      'five parts: JWE',
      'malformed',
      () => `${base64url('{"alg":"dir","enc":"A256GCM","kid":"hs-1"}')}..AAAA.AAAA.AAAA`,
    ],
    [
      'JWE in five parts, all filled',
      'malformed',
      () => `${base64url('{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rs-1"}')}.AAAA.AAAA.AAAA.AAAA`,
    ],
    [
      'JWS in JSON',
      'malformed',
      changed(([h, payload, signature]) => JSON.stringify({ protected: h, payload, signature })),
    ],
    ['4,097 characters', 'too-large', () => 'a'.repeat(4_097)],
    ['a megabyte, well formed', 'too-large', claiming({ x: 'x'.repeat(1_000_000) })],
    ['a megabyte of dots', 'too-large', () => '.'.repeat(1_000_000)],
    ['1,000 brackets', 'malformed', withHmac(HS, '['.repeat(1_000))],
  ],
};

/** The character whose six bits are one more: the bits that a decoder drops, where the last character has some. */
function nextCharacter(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) + 1] ?? 'B';
}

export const attacks: readonly Attack[] = Object.entries(groups).flatMap(([group, rows]) =>
  rows.map(([name, refusedAs, token]) => ({ group, name, refusedAs, token })),
);

/** As docs/tokens.md shows it. */
export function attackTable(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const rows = attacks.map(({ group, name, refusedAs }) => `| ${group} | ${cell(name)} | ${refusedAs} |`);
  return ['| attack | token | refused as |', '|---|---|---|', ...rows].join('\n');
}
