import { randomBytes } from 'node:crypto';
import { compactVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { base64url, NOW, PERSON, rsaPair } from './forge.ts';
import { importRsaPublicKey, importSecret } from './key-material.ts';
import { parseKeyRing } from './key-ring.ts';
import { hmacVectors, RFC_7515_A1, RFC_7515_A2, rsaVectors } from './vectors.ts';
import { createVerifier } from './verifier.ts';

const pair = rsaPair();
const secret = randomBytes(40);
const verifier = createVerifier({
  ring: parseKeyRing(
    JSON.stringify({
      keys: [
        { kid: 'rs', alg: 'RS256', state: 'verifying', publicKey: pair.publicJwk },
        { kid: 'hs', alg: 'HS256', state: 'verifying', secret: base64url(secret) },
      ],
    }),
  ),
  jwksUrl: null,
  clock: () => NOW,
});

it.for([...rsaVectors(pair, 'rs'), ...hmacVectors(secret, 'hs')])('$comment: $result', async ({ jws, result }) => {
  const verified = verifier.verify(jws);

  if (result === 'valid') expect(await verified).toEqual(PERSON);
  else await expect(verified).rejects.toMatchObject({ name: 'TokenRefused', reason: 'signature' });
});

describe('RFC 7515', () => {
  it('A.1: the signature is right under the imported secret, and the token is none of ours', async () => {
    const key = importSecret(Buffer.from(RFC_7515_A1.secret, 'base64url'));

    const { payload } = await compactVerify(RFC_7515_A1.jws, key, { algorithms: ['HS256'] });
    expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({ iss: 'joe', exp: 1_300_819_380 });
    await expect(verifier.verify(RFC_7515_A1.jws)).rejects.toMatchObject({ reason: 'unknown-key' });
  });

  it('A.2: the signature is right under the imported RSA key, and the token is none of ours', async () => {
    const { key } = importRsaPublicKey(RFC_7515_A2.publicKey, 'a2');

    const { payload } = await compactVerify(RFC_7515_A2.jws, key, { algorithms: ['RS256'] });
    expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({ iss: 'joe' });
    await expect(verifier.verify(RFC_7515_A2.jws)).rejects.toMatchObject({ reason: 'malformed' });
  });

  it('A.2 with one character changed is refused under the same key', async () => {
    const { key } = importRsaPublicKey(RFC_7515_A2.publicKey, 'a2');
    const changed = RFC_7515_A2.jws.replace('.cC4', '.cD4');

    await expect(compactVerify(changed, key, { algorithms: ['RS256'] })).rejects.toThrow(/signature/);
  });
});
