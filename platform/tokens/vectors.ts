// For tests alone: vectors in the manner of Project Wycheproof (https://github.com/C2SP/wycheproof), made anew on every run.
import { constants, createHash, createPublicKey, publicEncrypt } from 'node:crypto';
import { base64url, forge, goodClaims, hmac, rsa, type RsaPair, rsaRaw, type Sign } from './forge.ts';

export interface Vector {
  readonly id: number;
  readonly comment: string;
  readonly jws: string;
  readonly result: 'valid' | 'invalid';
}

const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');
const digest = (input: Buffer, hash = 'sha256'): Buffer => createHash(hash).update(input).digest();

/** EMSA-PKCS1-v1_5 (RFC 8017 section 9.2) with every part to be chosen. */
function padded(info: Buffer, length: number, options: { type?: number; fill?: number; tail?: Buffer } = {}): Buffer {
  const { type = 1, fill = 0xff, tail = Buffer.of() } = options;
  const filling = Buffer.alloc(length - 3 - info.length - tail.length, fill);
  return Buffer.concat([Buffer.of(0, type), filling, Buffer.of(0), info, tail]);
}

const rsaEncodings: readonly (readonly [string, (input: Buffer, length: number) => Buffer, Vector['result']?])[] = [
  ['as the standard says', (input, n) => padded(Buffer.concat([SHA256_INFO, digest(input)]), n), 'valid'],
  [
    'the parameters NULL left out',
    (input, n) =>
      padded(
        Buffer.concat([
          Buffer.from('302f300b0609608648016503040201', 'hex'),
          Buffer.from('0420', 'hex'),
          digest(input),
        ]),
        n,
      ),
  ],
  ['the digest alone, without its name', (input, n) => padded(digest(input), n)],
  [
    'garbage after the digest, short padding (Bleichenbacher 2006)',
    (input, n) =>
      Buffer.concat([
        Buffer.of(0, 1),
        Buffer.alloc(8, 0xff),
        Buffer.of(0),
        SHA256_INFO,
        digest(input),
        Buffer.alloc(n - 11 - SHA256_INFO.length - 32),
      ]),
  ],
  [
    'garbage in the parameters',
    (input, n) =>
      padded(Buffer.concat([Buffer.from('3035301106096086480165030402010504deadbeef0420', 'hex'), digest(input)]), n),
  ],
  [
    'a byte after the digest',
    (input, n) => padded(Buffer.concat([SHA256_INFO, digest(input)]), n, { tail: Buffer.of(0) }),
  ],
  ['padding of type 0', (input, n) => padded(Buffer.concat([SHA256_INFO, digest(input)]), n, { type: 0, fill: 0 })],
  ['padding of type 2', (input, n) => padded(Buffer.concat([SHA256_INFO, digest(input)]), n, { type: 2 })],
  ['padding filled with 0xfe', (input, n) => padded(Buffer.concat([SHA256_INFO, digest(input)]), n, { fill: 0xfe })],
  [
    'a length in two bytes (BER, not DER)',
    (input, n) =>
      padded(Buffer.concat([Buffer.from('308131300d060960864801650304020105000420', 'hex'), digest(input)]), n),
  ],
  [
    'the name of SHA-1 with the digest of SHA-256',
    (input, n) => padded(Buffer.concat([Buffer.from('302d300906052b0e03021a05000420', 'hex'), digest(input)]), n),
  ],
  [
    'the digest of SHA-512',
    (input, n) =>
      padded(Buffer.concat([Buffer.from('3051300d060960864801650304020305000440', 'hex'), digest(input, 'sha512')]), n),
  ],
  [
    'the digest with its last bit changed',
    (input, n) => padded(Buffer.concat([SHA256_INFO, flip(digest(input), 255)]), n),
  ],
  ['the digest of nothing', (_input, n) => padded(Buffer.concat([SHA256_INFO, digest(Buffer.of())]), n)],
];

function flip(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
  return copy;
}

/** Signatures that are the right number in a wrong form: of another length, or not below the modulus. */
function* rsaForms({ privateKey, publicKey }: RsaPair): Iterable<readonly [string, Sign]> {
  const signed = rsa(privateKey);
  const n = BigInt(`0x${Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url').toString('hex')}`);
  const number = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);
  const bytes = (value: bigint, length: number): Buffer =>
    Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');
  yield ['a zero byte before it', (input) => Buffer.concat([Buffer.of(0), signed(input)])];
  yield ['a zero byte after it', (input) => Buffer.concat([signed(input), Buffer.of(0)])];
  yield ['the first byte left out', (input) => signed(input).subarray(1)];
  yield ['twice in a row', (input) => Buffer.concat([signed(input), signed(input)])];
  yield ['the modulus added', (input) => bytes(number(signed(input)) + n, 257)];
  yield ['taken from the modulus', (input) => bytes(n - number(signed(input)), 256)];
  yield ['the modulus itself', () => bytes(n, 256)];
  yield ['one less than the modulus', () => bytes(n - 1n, 256)];
  yield ['read from the other end', (input) => Buffer.from(signed(input).toReversed())];
  yield [
    'the padded digest, encrypted with the public key',
    (input) =>
      publicEncrypt(
        { key: createPublicKey(privateKey), padding: constants.RSA_NO_PADDING },
        padded(Buffer.concat([SHA256_INFO, digest(input)]), 256),
      ),
  ];
  for (const bit of [0, 1, 7, 8, 1_023, 1_024, 2_040, 2_047])
    yield [`bit ${bit} changed`, (input) => flip(signed(input), bit)];
}

/** For RS256, under the kid given. The first is valid: a test that refuses all of them shows nothing. */
export function rsaVectors(pair: RsaPair, kid: string): readonly Vector[] {
  const header = { alg: 'RS256', kid, typ: 'JWT' };
  const rows: (readonly [string, Sign, Vector['result']])[] = [
    ...rsaEncodings.map(
      ([comment, encode, result = 'invalid']) => [comment, rsaRaw(pair.privateKey, encode), result] as const,
    ),
    ...[...rsaForms(pair)].map(([comment, sign]) => [comment, sign, 'invalid'] as const),
    ...(['sha1', 'sha224', 'sha384', 'sha512'] as const).map(
      (hash) => [`signed with ${hash}`, rsa(pair.privateKey, hash), 'invalid'] as const,
    ),
    ['PSS instead of PKCS#1 v1.5', rsa(pair.privateKey, 'sha256', constants.RSA_PKCS1_PSS_PADDING), 'invalid'],
  ];
  return rows.map(([comment, sign, result], index) => ({
    id: index + 1,
    comment: `RSA signature: ${comment}`,
    jws: forge(header, goodClaims(), sign),
    result,
  }));
}

/** For HS256, under the kid given. */
export function hmacVectors(secret: Buffer, kid: string): readonly Vector[] {
  const header = { alg: 'HS256', kid, typ: 'JWT' };
  const tag = hmac(secret);
  const rows: (readonly [string, Sign, Vector['result']])[] = [
    ['as the standard says', tag, 'valid'],
    // RFC 2104 section 2: a secret of at most a block is filled up with zeros, so this is the same secret.
    [
      'the secret with zeros after it, up to a block',
      hmac(Buffer.concat([secret, Buffer.alloc(64 - secret.length)])),
      'valid',
    ],
    ...[1, 8, 16, 31].map(
      (length) => [`cut to ${length} bytes`, (input: Buffer) => tag(input).subarray(0, length), 'invalid'] as const,
    ),
    ['the last 16 bytes', (input) => tag(input).subarray(16), 'invalid'],
    ['a zero byte after it', (input) => Buffer.concat([tag(input), Buffer.of(0)]), 'invalid'],
    ['a zero byte before it', (input) => Buffer.concat([Buffer.of(0), tag(input)]), 'invalid'],
    ['twice in a row', (input) => Buffer.concat([tag(input), tag(input)]), 'invalid'],
    ['all bits changed', (input) => tag(input).map((byte) => byte ^ 0xff) as Buffer, 'invalid'],
    ['read from the other end', (input) => Buffer.from(tag(input).toReversed()), 'invalid'],
    ['in hexadecimal', (input) => Buffer.from(tag(input).toString('hex')), 'invalid'],
    ...(['sha1', 'sha224', 'sha384', 'sha512', 'sha3-256'] as const).map(
      (hash) => [`made with ${hash}`, hmac(secret, hash), 'invalid'] as const,
    ),
    ['SHA-256 of secret and input, no HMAC', (input) => digest(Buffer.concat([secret, input])), 'invalid'],
    ['SHA-256 of the input alone', (input) => digest(input), 'invalid'],
    ['with an empty secret', hmac(''), 'invalid'],
    ['with the secret in base64url', hmac(base64url(secret)), 'invalid'],
    ['with the secret in hexadecimal', hmac(secret.toString('hex')), 'invalid'],
    ['of the input with a zero byte after it', (input) => tag(Buffer.concat([input, Buffer.of(0)])), 'invalid'],
    ['of the payload alone', (input) => tag(Buffer.from(input.toString().split('.')[1] ?? '')), 'invalid'],
    [
      'of the decoded payload',
      (input) => tag(Buffer.from(input.toString().split('.')[1] ?? '', 'base64url')),
      'invalid',
    ],
    ...[0, 7, 8, 127, 128, 255].map(
      (bit) => [`bit ${bit} changed`, (input: Buffer) => flip(tag(input), bit), 'invalid'] as const,
    ),
  ];
  return rows.map(([comment, sign, result], index) => ({
    id: index + 1,
    comment: `HMAC: ${comment}`,
    jws: forge(header, goodClaims(), sign),
    result,
  }));
}

const RFC_7515_PAYLOAD =
  'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ';

/** RFC 7515 appendix A.1, by value. */
export const RFC_7515_A1 = {
  secret: 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
  jws: `eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${RFC_7515_PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk`,
};

/** RFC 7515 appendix A.2, by value. */
export const RFC_7515_A2 = {
  publicKey: {
    kty: 'RSA',
    n: [
      'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs',
      'D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV',
      'MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ',
    ].join(''),
    e: 'AQAB',
  },
  jws: [
    `eyJhbGciOiJSUzI1NiJ9.${RFC_7515_PAYLOAD}.`,
    'cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ',
    'cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e',
    'OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw',
  ].join(''),
};
