import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64url, rsaPair } from './forge.ts';
import { KeyRingRefused, parseKeyRing, publicKeys, type RingRole } from './key-ring.ts';
import { createSigner } from './signer.ts';

const one = rsaPair();
const two = rsaPair();
const secret = base64url(randomBytes(32));
const ringOf = (...keys: readonly object[]): string => JSON.stringify({ keys });
const rs = (more: object = {}): object => ({
  kid: 'rs-1',
  alg: 'RS256',
  state: 'signing',
  privateKey: one.privateJwk,
  ...more,
});
const hs = (more: object = {}): object => ({ kid: 'hs-1', alg: 'HS256', state: 'verifying', secret, ...more });

function refusal(text: string, role: RingRole = 'signer'): string {
  try {
    parseKeyRing(text, role);
  } catch (error) {
    if (error instanceof KeyRingRefused) return error.message;
    throw error;
  }
  return 'taken';
}

describe('a ring', () => {
  it('keeps each key with its one algorithm and state', () => {
    const ring = parseKeyRing(ringOf(rs({ since: '2026-11-23T12:00:00Z' }), hs()), 'signer');

    expect([...ring.keys.values()].map(({ kid, alg, state }) => [kid, alg, state])).toEqual([
      ['rs-1', 'RS256', 'signing'],
      ['hs-1', 'HS256', 'verifying'],
    ]);
    expect(ring.signing?.since).toEqual(new Date('2026-11-23T12:00:00Z'));
  });

  it('can sign with no key but the signing one, and can show none of them', () => {
    const ring = parseKeyRing(
      ringOf(rs(), hs(), rs({ kid: 'rs-2', state: 'next', privateKey: two.privateJwk })),
      'signer',
    );

    expect([...ring.keys.values()].map(({ signingKey }) => signingKey !== null)).toEqual([true, false, false]);
    const keys = [...ring.keys.values()].flatMap((key) => [key.verificationKey, key.signingKey ?? []].flat());
    expect(keys.map((key) => key?.extractable)).toEqual([false, false, false, false]);
  });

  it('publishes RSA keys until they are retired, by their public half alone, and never a secret', () => {
    const ring = parseKeyRing(
      ringOf(
        rs(),
        hs(),
        rs({ kid: 'rs-2', state: 'next', privateKey: two.privateJwk }),
        rs({ kid: 'rs-0', state: 'retired' }),
      ),
      'signer',
    );

    expect(publicKeys(ring)).toEqual({
      keys: [
        { kty: 'RSA', alg: 'RS256', use: 'sig', kid: 'rs-1', n: one.publicJwk.n, e: 'AQAB' },
        { kty: 'RSA', alg: 'RS256', use: 'sig', kid: 'rs-2', n: two.publicJwk.n, e: 'AQAB' },
      ],
    });
  });

  it('remembers a retired key without its material', () => {
    const ring = parseKeyRing(ringOf(rs(), { kid: 'hs-0', alg: 'HS256', state: 'retired' }), 'signer');

    expect(ring.keys.get('hs-0')).toMatchObject({ verificationKey: null, signingKey: null });
  });

  it('keeps a verifying RSA key by its public half, when the private one is destroyed', () => {
    const old = { kid: 'rs-0', alg: 'RS256', state: 'verifying', publicKey: two.publicJwk };

    expect(publicKeys(parseKeyRing(ringOf(rs(), old), 'signer')).keys.map(({ kid }) => kid)).toEqual(['rs-1', 'rs-0']);
  });

  it('out of a bare secret signs with HS256, under the same name each time and another for another secret', () => {
    const [first, again, other] = ['a'.repeat(32), 'a'.repeat(32), 'b'.repeat(32)].map((text) => parseKeyRing(text));

    expect(first?.signing).toMatchObject({ alg: 'HS256', state: 'signing' });
    expect(first?.signing?.kid).toBe(again?.signing?.kid);
    expect(first?.signing?.kid).not.toBe(other?.signing?.kid);
    expect(first?.signing?.kid).toMatch(/^hs-[0-9a-f]{16}$/);
  });

  it('is empty when there is none, which is enough for a verifier and not for a signer', () => {
    expect(parseKeyRing(undefined).keys.size).toBe(0);
    expect(refusal('', 'signer')).toContain('no key is in state signing');
    expect(() => createSigner(parseKeyRing(undefined), () => 0)).toThrow(KeyRingRefused);
  });

  const pem = one.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const publicForms: readonly (readonly [string, string | Buffer])[] = [
    ['PEM', pem],
    ['PEM without the line feed', pem.trim()],
    ['PEM (PKCS#1)', one.publicKey.export({ type: 'pkcs1', format: 'pem' })],
    ['the body of PEM', pem.replaceAll(/-----.*-----/g, '').trim()],
    ['DER (SPKI)', one.publicKey.export({ type: 'spki', format: 'der' })],
    ['DER (PKCS#1)', one.publicKey.export({ type: 'pkcs1', format: 'der' })],
    ['JWK', JSON.stringify(one.publicJwk)],
    ['JWKS', JSON.stringify({ keys: [one.publicJwk] })],
    ['the private key as DER', one.privateKey.export({ type: 'pkcs8', format: 'der' })],
  ];
  it.for(publicForms)('refuses an RSA key as an HMAC secret: %s', ([, form]) => {
    expect(refusal(ringOf(rs(), hs({ secret: base64url(form) })))).toContain('is a public or private key');
  });

  it('refuses the modulus of an RSA key as an HMAC secret', () => {
    expect(refusal(ringOf(rs(), hs({ secret: one.publicJwk.n })))).toContain('modulus');
  });

  it.for(publicForms.filter(([, form]) => typeof form === 'string' && !form.startsWith('{')))(
    'refuses an RSA key as a bare secret: %s',
    ([, form]) => {
      expect(refusal(String(form))).toContain('is a public or private key');
    },
  );

  const weak = rsaPair(1_024);
  const faults: readonly (readonly [string, string, string])[] = [
    ['two signing keys', ringOf(rs(), hs({ state: 'signing' })), '2 keys are in state signing'],
    ['no signing key', ringOf(hs()), 'no key is in state signing'],
    ['one kid twice', ringOf(rs(), hs({ kid: 'rs-1' })), 'a kid that is there already'],
    ['a secret below 32 bytes', ringOf(rs(), hs({ secret: base64url(randomBytes(31)) })), 'shorter than 32 bytes'],
    ['a secret in base64 with padding', ringOf(rs(), hs({ secret: randomBytes(32).toString('base64') })), 'base64url'],
    ['an RSA key of 1024 bits', ringOf(rs({ privateKey: weak.privateJwk })), 'a modulus of 1024 bits'],
    [
      'the public exponent 1',
      ringOf(rs(), rs({ kid: 'rs-2', state: 'next', privateKey: undefined, publicKey: { ...two.publicJwk, e: 'AQ' } })),
      'public exponent',
    ],
    ['the public exponent 3', ringOf(rs({ privateKey: rsaPair(2_048, 3).privateJwk })), 'public exponent'],
    [
      'an even public exponent',
      ringOf(
        rs(),
        rs({ kid: 'rs-2', state: 'next', privateKey: undefined, publicKey: { ...two.publicJwk, e: 'AQAC' } }),
      ),
      'public exponent',
    ],
    [
      'halves that do not belong together',
      ringOf(rs({ privateKey: { ...one.privateJwk, n: two.publicJwk.n } })),
      'belong together',
    ],
    ['a secret for RS256', ringOf(rs({ privateKey: undefined, secret })), 'the material of another algorithm'],
    [
      'an RSA key for HS256',
      ringOf(rs(), { kid: 'x', alg: 'HS256', state: 'verifying', publicKey: two.publicJwk }),
      'the material of another algorithm',
    ],
    ['two materials', ringOf(rs({ publicKey: one.publicJwk })), 'more than one of'],
    ['no material', ringOf(rs(), hs({ secret: undefined })), 'has no key'],
    ['a public key that is to sign', ringOf(rs({ privateKey: undefined, publicKey: one.publicJwk })), 'no private key'],
    ['an algorithm that is not used', ringOf(rs({ alg: 'ES256' })), 'keys.0.alg'],
    ['the algorithm none', ringOf(rs({ alg: 'none' })), 'keys.0.alg'],
    ['a state that there is not', ringOf(rs({ state: 'active' })), 'keys.0.state'],
    ['a kid that is a path', ringOf(rs({ kid: '../x' })), 'keys.0.kid'],
    ['a member that there is not', ringOf(rs({ private: 1 })), 'unrecognized_keys'],
    ['a member twice', '{"keys":[],"keys":[]}', 'member twice'],
    ['broken JSON', '{"keys":[', 'not JSON'],
    ['a bare text that is short', 'too short', 'at least 32 characters'],
  ];
  it.for(faults)('refuses %s', ([, text, why]) => {
    expect(refusal(text)).toContain(why);
  });

  it('of a verifier refuses private keys', () => {
    expect(refusal(ringOf(rs()), 'verifier')).toContain('belongs to identity alone');
  });

  it('names every fault at once', () => {
    const message = refusal(ringOf(rs({ privateKey: weak.privateJwk }), hs({ secret: 'AAAA' }), hs()));

    expect(message).toContain('keys[0] (rs-1) has a modulus of 1024 bits');
    expect(message).toContain('keys[1] (hs-1) is shorter than 32 bytes');
    expect(message).toContain('keys[2] (hs-1) has a kid that is there already');
  });

  it('shows no part of any secret, however wrong the ring is', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 24, maxLength: 48 }),
        fc.constantFrom('kid', 'alg', 'state', 'secret'),
        (bytes, spoiled) => {
          const given = base64url(bytes);
          const message = refusal(
            ringOf(hs({ secret: given, [spoiled]: spoiled === 'secret' ? `${given}=` : '!' }), hs()),
          );
          return message !== 'taken' && !message.includes(given.slice(0, 16));
        },
      ),
    );
  });
});
