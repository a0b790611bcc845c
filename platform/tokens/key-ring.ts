import type { CryptoKey } from 'jose';
import { z } from 'zod';
import { decodeBase64url, isKid } from './compact.ts';
import {
  type Algorithm,
  importRsaPrivateKey,
  importRsaPublicKey,
  importSecret,
  KeyRefused,
  kidOfSecret,
  type PublicJwk,
} from './key-material.ts';
import { parseJsonObject } from './strict-json.ts';

/**
 * `next`: published and believed, signs nothing yet. `signing`: signs. `verifying`: signs nothing more, its tokens are good until
 * they expire. `retired`: believed no more; its entry remains so that its kid is never given again.
 */
export type KeyState = 'next' | 'signing' | 'verifying' | 'retired';

/** A key, its one algorithm, and what may still be done with it. */
export interface RingKey {
  readonly kid: string;
  readonly alg: Algorithm;
  readonly state: KeyState;
  /** Since when it is in this state. */
  readonly since: Date | null;
  /** Null once retired. */
  readonly verificationKey: CryptoKey | null;
  /** Only of the key that signs. */
  readonly signingKey: CryptoKey | null;
  /** Of RSA keys that are not retired. */
  readonly published: PublicJwk | null;
}

export interface KeyRing {
  readonly keys: ReadonlyMap<string, RingKey>;
  /** The one key in state `signing`; null in the ring of a service that only verifies. */
  readonly signing: RingKey | null;
}

/** What a ring is for: `signer` has one key that signs; `verifier` (all services but identity) holds no private key. */
export type RingRole = 'signer' | 'verifier';

/** Thrown for a ring that is not to be used. Every fault at once, by kid and position, and nothing of any key. */
export class KeyRingRefused extends Error {
  override readonly name = 'KeyRingRefused';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`the key ring cannot be used: ${faults.join('; ')}`);
    this.faults = faults;
  }
}

const MIN_BARE_CHARACTERS = 32;
const MAX_RING_CHARACTERS = 262_144;

const keySchema = z.strictObject({
  kid: z.string().refine(isKid, 'is not 1 to 64 characters out of A-Z a-z 0-9 . _ -'),
  alg: z.enum(['RS256', 'HS256']),
  state: z.enum(['next', 'signing', 'verifying', 'retired']),
  since: z.iso.datetime({ offset: true }).optional(),
  privateKey: z.record(z.string(), z.unknown()).optional(),
  publicKey: z.record(z.string(), z.unknown()).optional(),
  secret: z.string().optional(),
});
const ringSchema = z.strictObject({ keys: z.array(keySchema).max(32) });
type KeyEntry = z.output<typeof keySchema>;

const EMPTY: KeyRing = { keys: new Map(), signing: null };

/**
 * Reads the variable `KEY_RING`: JSON `{"keys":[{kid, alg, state, privateKey | publicKey | secret, since}]}`, or a bare text of at
 * least 32 characters, which is one signing HS256 key. No text is an empty ring.
 *
 * @param role - `verifier` refuses private keys: they belong to identity alone (guide 15.5)
 * @throws KeyRingRefused
 */
export function parseKeyRing(text: string | undefined, role: RingRole = 'verifier'): KeyRing {
  const ring = readRing((text ?? '').trim());
  const faults = [...faultsOfRole(ring.keys, role)];
  if (faults.length > 0) throw new KeyRingRefused(faults);
  const keys = new Map(ring.imported.map((key) => [key.kid, key]));
  return keys.size === 0 ? EMPTY : { keys, signing: ring.imported.find(({ state }) => state === 'signing') ?? null };
}

/** What `/.well-known/jwks.json` says: the RSA keys that are not retired. A secret is never in it. */
export function publicKeys(ring: KeyRing): { readonly keys: readonly PublicJwk[] } {
  return { keys: [...ring.keys.values()].flatMap(({ published }) => published ?? []) };
}

interface ReadRing {
  readonly keys: readonly KeyEntry[];
  readonly imported: readonly RingKey[];
}

function readRing(text: string): ReadRing {
  if (text === '') return { keys: [], imported: [] };
  if (text.length > MAX_RING_CHARACTERS) throw new KeyRingRefused(['it is longer than 256 KiB']);
  const keys = text.startsWith('{') ? entriesOf(text) : [bareEntry(text)];
  const faults: string[] = [];
  const imported: RingKey[] = [];
  const seen = new Set<string>();
  keys.forEach((entry, index) => {
    const name = `keys[${index}] (${entry.kid})`;
    if (seen.has(entry.kid)) faults.push(`${name} has a kid that is there already`);
    seen.add(entry.kid);
    try {
      imported.push(importEntry(entry));
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error;
      faults.push(`${name} ${error.message}`);
    }
  });
  faults.push(...moduliAsSecrets(keys));
  if (faults.length > 0) throw new KeyRingRefused(faults);
  return { keys, imported };
}

function entriesOf(text: string): readonly KeyEntry[] {
  const json = parseJsonObject(Buffer.from(text));
  if (json === null) throw new KeyRingRefused(['it is not JSON, or has a member twice']);
  const read = ringSchema.safeParse(json);
  if (read.success) return read.data.keys;
  // Paths and codes only: a message of Zod's can quote what it was given.
  throw new KeyRingRefused(read.error.issues.map(({ path, code }) => `${path.join('.') || 'the ring'}: ${code}`));
}

function bareEntry(text: string): KeyEntry {
  if (text.length < MIN_BARE_CHARACTERS)
    throw new KeyRingRefused([`a bare secret has at least ${MIN_BARE_CHARACTERS} characters`]);
  const bytes = Buffer.from(text);
  return { kid: kidOfSecret(bytes), alg: 'HS256', state: 'signing', secret: bytes.toString('base64url') };
}

function importEntry(entry: KeyEntry): RingKey {
  const { kid, alg, state, privateKey, publicKey, secret } = entry;
  const common = { kid, alg, state, since: entry.since === undefined ? null : new Date(entry.since) };
  const given = [privateKey, publicKey, secret].filter((material) => material !== undefined).length;
  if (given > 1) throw new KeyRefused('has more than one of privateKey, publicKey and secret');
  if (alg === 'HS256' ? (privateKey ?? publicKey) !== undefined : secret !== undefined)
    throw new KeyRefused(`is for ${alg} and has the material of another algorithm`);
  if (given === 0) {
    if (state !== 'retired') throw new KeyRefused('has no key');
    return { ...common, verificationKey: null, signingKey: null, published: null };
  }
  const key = importMaterial(entry);
  if (state === 'signing' && key.signingKey === null) throw new KeyRefused('is to sign and has no private key');
  if (state === 'retired') return { ...common, verificationKey: null, signingKey: null, published: null };
  return { ...common, ...key, signingKey: state === 'signing' ? key.signingKey : null };
}

function importMaterial({
  kid,
  privateKey,
  publicKey,
  secret,
}: KeyEntry): Pick<RingKey, 'verificationKey' | 'signingKey' | 'published'> {
  if (secret !== undefined) {
    const bytes = decodeBase64url(secret);
    if (bytes === null) throw new KeyRefused('has a secret that is not base64url without padding');
    const key = importSecret(bytes);
    return { verificationKey: key, signingKey: key, published: null };
  }
  if (privateKey !== undefined) {
    const { key, publicKey: verificationKey, jwk } = importRsaPrivateKey(privateKey, kid);
    return { verificationKey, signingKey: key, published: jwk };
  }
  const { key, jwk } = importRsaPublicKey(publicKey, kid);
  return { verificationKey: key, signingKey: null, published: jwk };
}

function* faultsOfRole(keys: readonly KeyEntry[], role: RingRole): Iterable<string> {
  const signing = keys.filter(({ state }) => state === 'signing').length;
  if (signing > 1) yield `${signing} keys are in state signing; exactly one signs`;
  if (role === 'signer' && signing === 0) yield 'no key is in state signing';
  if (role === 'verifier' && keys.some(({ privateKey }) => privateKey !== undefined))
    yield 'it has a private key, which belongs to identity alone';
}

/** The bare modulus of an RSA key of the ring as the secret of another: public, and no known form of a key. */
function* moduliAsSecrets(keys: readonly KeyEntry[]): Iterable<string> {
  const moduli = new Set(keys.map(({ privateKey, publicKey }) => (privateKey ?? publicKey)?.['n']));
  for (const { kid, secret } of keys)
    if (secret !== undefined && moduli.has(secret)) yield `${kid} has the modulus of an RSA key as its secret`;
}
