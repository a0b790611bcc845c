import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../kit/metrics.ts';
import { base64url, forge, goodClaims, hmac, jwksOf, NOW, PERSON, rsa, rsaPair } from './forge.ts';
import { parseKeyRing } from './key-ring.ts';
import { createSigner } from './signer.ts';
import { TokenRefused } from './token-refused.ts';
import { createVerifier } from './verifier.ts';

const pair = rsaPair();
const published = { ...pair.publicJwk, kid: 'rs-1', alg: 'RS256', use: 'sig' };
const secret = randomBytes(32);
const signingRing = parseKeyRing(
  JSON.stringify({ keys: [{ kid: 'rs-1', alg: 'RS256', state: 'signing', privateKey: pair.privateJwk }] }),
  'signer',
);
const hmacRing = parseKeyRing(
  JSON.stringify({ keys: [{ kid: 'hs-1', alg: 'HS256', state: 'signing', secret: base64url(secret) }] }),
);
const JWKS_URL = 'http://identity.test/.well-known/jwks.json';

describe('a verifier', () => {
  it.for([
    ['RS256', signingRing],
    ['HS256', hmacRing],
  ] as const)('believes what the signer signs with %s, until 30 seconds after it has expired', async ([, ring]) => {
    let now = NOW;
    const verifier = createVerifier({ ring, jwksUrl: null, clock: () => now });
    const token = await createSigner(ring, () => NOW).sign(PERSON);

    expect(await verifier.verify(token)).toEqual(PERSON);
    now = NOW + 929_000;
    expect(await verifier.verify(token)).toEqual(PERSON);
    now = NOW + 930_000;
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: 'expired' });
  });

  it('believes a token whose signer is 30 seconds ahead, and not 31', async () => {
    const verifier = createVerifier({ ring: hmacRing, jwksUrl: null, clock: () => NOW });

    expect(await verifier.verify(await createSigner(hmacRing, () => NOW + 30_000).sign(PERSON))).toEqual(PERSON);
    await expect(verifier.verify(await createSigner(hmacRing, () => NOW + 31_000).sign(PERSON))).rejects.toMatchObject({
      reason: 'not-yet-valid',
    });
  });

  it('passes over claims that it does not know, which a newer release may add', async () => {
    const verifier = createVerifier({ ring: hmacRing, jwksUrl: null, clock: () => NOW });
    const token = forge(
      { alg: 'HS256', kid: 'hs-1', typ: 'JWT' },
      { ...goodClaims(), roles: ['artist'] },
      hmac(secret),
    );

    expect(await verifier.verify(token)).toEqual(PERSON);
  });

  it.for([
    ['RS256', signingRing],
    ['HS256', hmacRing],
  ] as const)('refuses a token of %s with any one bit changed', async ([, ring]) => {
    const verifier = createVerifier({ ring, jwksUrl: null, clock: () => NOW });
    const token = Buffer.from(await createSigner(ring, () => NOW).sign(PERSON));

    for (let bit = 0; bit < token.length * 8; bit += 1) {
      const changed = Buffer.from(token);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await expect(verifier.verify(changed.toString('latin1')), `bit ${bit}`).rejects.toThrow(TokenRefused);
    }
  });

  it('refuses with a reason whatever text comes, and throws nothing else', async () => {
    const verifier = createVerifier({ ring: hmacRing, jwksUrl: null, clock: () => NOW });
    const part = fc.oneof(
      fc.string().map(base64url),
      fc.json().map(base64url),
      fc.string(),
      fc.constant(base64url('{"alg":"HS256","kid":"hs-1","typ":"JWT"}')),
      fc.constant(base64url(JSON.stringify(goodClaims()))),
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(part, { maxLength: 6 }).map((parts) => parts.join('.')),
    );

    await fc.assert(
      fc.asyncProperty(text, async (token) => {
        await expect(verifier.verify(token)).rejects.toThrow(TokenRefused);
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses what is signed rightly over other JSON than ours, whatever it is', async () => {
    const verifier = createVerifier({ ring: hmacRing, jwksUrl: null, clock: () => NOW });
    const header = { alg: 'HS256', kid: 'hs-1', typ: 'JWT' };

    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('iss', 'aud', 'sub', 'sid', 'iat', 'exp'),
        fc.jsonValue({ maxDepth: 2 }),
        async (claim, value) => {
          const good = goodClaims();
          const close = typeof value === 'number' && Math.abs(value - Number(good[claim])) < 1_000;
          fc.pre(value !== good[claim] && !close);
          await expect(verifier.verify(forge(header, { ...good, [claim]: value }, hmac(secret)))).rejects.toThrow(
            TokenRefused,
          );
        },
      ),
    );
  });

  it('lets no published key take the place of a secret or of a retired key of its ring', async () => {
    const ring = parseKeyRing(
      JSON.stringify({
        keys: [
          { kid: 'hs-1', alg: 'HS256', state: 'verifying', secret: base64url(secret) },
          { kid: 'rs-0', alg: 'RS256', state: 'retired' },
        ],
      }),
    );
    const { fetch } = jwksOf({ ...published, kid: 'hs-1' }, { ...published, kid: 'rs-0' }, published);
    const verifier = createVerifier({ ring, jwksUrl: JWKS_URL, clock: () => NOW, fetch });
    const signed = (kid: string): string =>
      forge({ alg: 'RS256', kid, typ: 'JWT' }, goodClaims(), rsa(pair.privateKey));

    expect(await verifier.verify(signed('rs-1'))).toEqual(PERSON);
    await expect(verifier.verify(signed('hs-1'))).rejects.toMatchObject({ reason: 'algorithm' });
    await expect(verifier.verify(signed('rs-0'))).rejects.toMatchObject({ reason: 'unknown-key' });
  });

  it('counts by the algorithm of the key, whether it was known, and what came of it', async () => {
    const metrics = createMetrics({ service: 'api' });
    const { fetch } = jwksOf(published);
    const verifier = createVerifier({ ring: hmacRing, jwksUrl: JWKS_URL, clock: () => NOW, metrics, fetch });

    await verifier.verify(await createSigner(hmacRing, () => NOW).sign(PERSON));
    await verifier.verify(await createSigner(signingRing, () => NOW).sign(PERSON));
    await verifier.verify(await createSigner(signingRing, () => NOW).sign(PERSON));
    await verifier.verify(forge({ alg: 'HS256', kid: 'rs-1', typ: 'JWT' }, goodClaims(), hmac('x'))).catch(() => null);
    await verifier.verify(forge({ alg: 'none', kid: 'rs-9', typ: 'JWT' }, goodClaims(), hmac('x'))).catch(() => null);
    await verifier.verify('?').catch(() => null);

    const { body } = await metrics.text();
    metrics.close();
    expect(body.split('\n').filter((line) => line.startsWith('jwt_verifications_total'))).toEqual([
      'jwt_verifications_total{alg="HS256",kid_known="true",outcome="accepted"} 1',
      'jwt_verifications_total{alg="RS256",kid_known="true",outcome="accepted"} 2',
      'jwt_verifications_total{alg="RS256",kid_known="true",outcome="algorithm"} 1',
      'jwt_verifications_total{alg="none",kid_known="false",outcome="unknown-key"} 1',
      'jwt_verifications_total{alg="none",kid_known="false",outcome="malformed"} 1',
    ]);
  });
});
