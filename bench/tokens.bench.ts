import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  randomBytes,
  randomUUID,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { parseKeyRing, type RingKey } from '../platform/tokens/key-ring.ts';
import { createSigner } from '../platform/tokens/signer.ts';
import { createVerifier } from '../platform/tokens/verifier.ts';
import type { BenchContext, Figure } from './harness/bench.ts';

export const name = 'tokens';
export const description =
  "Verifying access tokens with the platform's library, beside bare jose and the bare signature check of node:crypto";

const ROUNDS = 9;
/** Guide 15.5 asks for 1 ms. */
const GOAL_US = 200;

/** What is used of jose: the root of the repository has no types of it, and needs none. */
interface Jose {
  readonly jwtVerify: (
    token: string,
    key: NonNullable<RingKey['verificationKey']>,
    options: { readonly algorithms: readonly string[] },
  ) => Promise<unknown>;
}

export async function run(context: BenchContext): Promise<readonly Figure[]> {
  const require = createRequire(new URL('../platform/package.json', import.meta.url));
  const { jwtVerify } = require('jose') as Jose;
  const { version } = require('jose/package.json') as { version: string };
  const person = { id: randomUUID(), sessionId: randomUUID() };
  const secret = randomBytes(48);
  const figures: Figure[] = [];

  for (const alg of ['RS256', 'HS256'] as const) {
    const jwk = rsaKey();
    const material = alg === 'RS256' ? { privateKey: jwk } : { secret: secret.toString('base64url') };
    const ring = parseKeyRing(JSON.stringify({ keys: [{ kid: 'k-1', alg, state: 'signing', ...material }] }), 'signer');
    const signer = createSigner(ring, Date.now);
    const token = await signer.sign(person);
    const verifier = createVerifier({ ring, jwksUrl: null, clock: Date.now });
    const key = ring.keys.get('k-1')?.verificationKey;
    if (key === undefined || key === null) throw new Error('the ring has no key');
    const bare = bareCheck(token, alg === 'RS256' ? { jwk } : { secret });

    context.progress(`verifying ${alg}`);
    const [ours, jose, signature] = await microseconds(context, [
      () => verifier.verify(token),
      () => jwtVerify(token, key, { algorithms: [alg] }),
      bare,
    ]);
    const measured = { value: ours ?? Number.NaN, unit: 'µs', goal: { atMost: GOAL_US } };
    figures.push(
      { name: `verify ${alg}`, ...measured, peer: { name: `jose ${version}, jwtVerify`, value: jose ?? Number.NaN } },
      {
        name: `verify ${alg}`,
        ...measured,
        peer: { name: 'signature alone, node:crypto', value: signature ?? Number.NaN },
      },
    );
    context.progress(`refusing and signing ${alg}`);
    const forged = `${token.slice(0, token.lastIndexOf('.') + 1)}${Buffer.alloc(alg === 'RS256' ? 256 : 32).toString('base64url')}`;
    const unknown = token.replace(
      /^[^.]+/,
      Buffer.from(JSON.stringify({ alg, kid: 'k-2', typ: 'JWT' })).toString('base64url'),
    );
    const [forgery, nobodys, signing] = await microseconds(context, [
      () => verifier.verify(forged).catch(() => null),
      () => verifier.verify(unknown).catch(() => null),
      () => signer.sign(person),
    ]);
    figures.push(
      { name: `refuse a wrong signature, ${alg}`, value: forgery ?? Number.NaN, unit: 'µs' },
      { name: `refuse an unknown key, ${alg}`, value: nobodys ?? Number.NaN, unit: 'µs' },
      { name: `sign ${alg}`, value: signing ?? Number.NaN, unit: 'µs' },
    );
  }
  return figures;
}

function rsaKey(): JsonWebKey {
  return generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey.export({ format: 'jwk' });
}

/** The least that verifying can cost: the signature alone, without looking at what is signed. */
function bareCheck(token: string, by: { readonly jwk: JsonWebKey } | { readonly secret: Buffer }): () => void {
  const dot = token.lastIndexOf('.');
  const input = Buffer.from(token.slice(0, dot));
  const signature = Buffer.from(token.slice(dot + 1), 'base64url');
  if ('secret' in by)
    return () => {
      if (!timingSafeEqual(createHmac('sha256', by.secret).update(input).digest(), signature)) throw new Error('wrong');
    };
  const { kty = 'RSA', n = '', e = '' } = by.jwk;
  const key = createPublicKey({ format: 'jwk', key: { kty, n, e } });
  return () => {
    if (!verify('sha256', input, key, signature)) throw new Error('wrong');
  };
}

/** Of one call each, one after the other: the median of some rounds, in which all take turns; the first are for the compiler. */
async function microseconds(
  { signal, quick }: BenchContext,
  calls: readonly (() => unknown)[],
): Promise<readonly number[]> {
  const roundMs = quick ? 5 : 200;
  const times: number[][] = calls.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, call] of calls.entries()) {
      const begun = performance.now();
      let count = 0;
      for (; performance.now() - begun < roundMs; count += 1) await call();
      times[index]?.push(((performance.now() - begun) * 1_000) / count);
      signal.throwIfAborted();
    }
  }
  return times.map((all) => {
    const counted = all.slice(3).toSorted((a, b) => a - b);
    return counted[Math.floor(counted.length / 2)] ?? Number.NaN;
  });
}
