import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { attacks, attackTable, type Battlefield } from './attacks.ts';
import { base64url, forge, goodClaims, hmac, jwksOf, NOW, PERSON, rsa, rsaPair } from './forge.ts';
import { parseKeyRing } from './key-ring.ts';
import { TokenRefused } from './token-refused.ts';
import { createVerifier, type TokenVerifier } from './verifier.ts';

const field: Battlefield = {
  published: rsaPair(),
  attackers: rsaPair(),
  secret: randomBytes(64),
  retiredSecret: randomBytes(64),
};

const secrets = [
  { kid: 'hs-1', alg: 'HS256', state: 'verifying', secret: base64url(field.secret) },
  { kid: 'hs-0', alg: 'HS256', state: 'retired', secret: base64url(field.retiredSecret) },
];

/** The two that a verifier can be: with the key published, and with the key in its own ring. */
const verifiers: Readonly<Record<string, TokenVerifier>> = {
  'the RSA key from the JWKS': createVerifier({
    ring: parseKeyRing(JSON.stringify({ keys: secrets })),
    jwksUrl: 'http://identity.test/.well-known/jwks.json',
    clock: () => NOW,
    fetch: jwksOf({ ...field.published.publicJwk, kid: 'rs-1', alg: 'RS256', use: 'sig' }).fetch,
  }),
  'the RSA key in the ring': createVerifier({
    ring: parseKeyRing(
      JSON.stringify({
        keys: [...secrets, { kid: 'rs-1', alg: 'RS256', state: 'signing', privateKey: field.published.privateJwk }],
      }),
      'signer',
    ),
    jwksUrl: null,
    clock: () => NOW,
  }),
};

describe.for(Object.entries(verifiers))('a verifier with %s', ([, verifier]) => {
  it('believes the tokens that the attacks are variations of', async () => {
    const rs = forge({ alg: 'RS256', kid: 'rs-1', typ: 'JWT' }, goodClaims(), rsa(field.published.privateKey));
    const hs = forge({ alg: 'HS256', kid: 'hs-1', typ: 'JWT' }, goodClaims(), hmac(field.secret));

    expect(await verifier.verify(rs)).toEqual(PERSON);
    expect(await verifier.verify(hs)).toEqual(PERSON);
  });

  it.for(attacks)('refuses $group: $name', async ({ token, refusedAs }) => {
    const refused: unknown = await verifier.verify(token(field)).catch((error: unknown) => error);

    expect(refused).toBeInstanceOf(TokenRefused);
    expect((refused as TokenRefused).reason).toBe(refusedAs);
  });

  it('shows nothing of a refused token in the error', async () => {
    const token = forge(
      { alg: 'RS256', kid: 'rs-1', typ: 'JWT' },
      { ...goodClaims(), exp: 1 },
      rsa(field.published.privateKey),
    );
    const refused: unknown = await verifier.verify(token).catch((error: unknown) => error);

    const shown =
      refused instanceof Error ? `${JSON.stringify(refused)} ${refused.message} ${refused.stack}` : PERSON.id;
    expect(shown).not.toContain(PERSON.id);
    expect(refused).not.toHaveProperty('cause');
  });
});

it('has one row for each attack', () => {
  expect(new Set(attacks.map(({ group, name }) => `${group}: ${name}`)).size).toBe(attacks.length);
});

it('is the table in docs/tokens.md', () => {
  const page = readFileSync(new URL('../../docs/tokens.md', import.meta.url), 'utf8');

  expect(page).toContain(attackTable());
});
