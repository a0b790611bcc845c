import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { preAuthentication, STATEMENT_TYPE } from '../../core/image/provenance.ts';
import { canonicalJson } from '../../core/release/canonical-json.ts';
import { temporaryName } from '../work-folder.ts';

/** Ed25519 (RFC 8032): the same statement signed twice is the same envelope. */
const KEY = 'provenance.key';
const PUBLIC = 'provenance.pub';

/** What others check signatures of a project with. @param stateDir of the project */
export const publicKeyPath = (stateDir: string): string => join(stateDir, PUBLIC);

export interface SigningKey {
  readonly id: string;
  readonly private: KeyObject;
}

/** The key of a project, made when there is none; its public half lies beside it, for those who check. */
export async function signingKey(stateDir: string): Promise<SigningKey> {
  const path = join(stateDir, KEY);
  const known = await readFile(path, 'utf8').catch(() => null);
  if (known === null) {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const fresh = join(stateDir, temporaryName('.key'));
    const { privateKey } = generateKeyPairSync('ed25519');
    try {
      await writeFile(fresh, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flush: true });
      // Whoever links first has made the key; the other one uses it.
      await link(fresh, path).catch((error: unknown) => {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      });
    } finally {
      await rm(fresh, { force: true });
    }
  }
  const key = createPrivateKey(known ?? (await readFile(path, 'utf8')));
  const open = createPublicKey(key);
  await writeFile(publicKeyPath(stateDir), open.export({ type: 'spki', format: 'pem' }), { mode: 0o644 });
  return { id: keyId(open), private: key };
}

/** SHA-256 of the public key as X.509 has it, in hexadecimal digits. */
export const keyId = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');

/** A statement in an envelope with one signature (DSSE). */
export const signStatement = (statement: unknown, key: SigningKey): Readonly<Record<string, unknown>> => {
  const payload = Buffer.from(canonicalJson(statement));
  return {
    payload: payload.toString('base64'),
    payloadType: STATEMENT_TYPE,
    signatures: [
      {
        keyid: key.id,
        sig: sign(null, preAuthentication(STATEMENT_TYPE, payload), key.private).toString('base64'),
      },
    ],
  };
};

const envelopeSchema = z.object({
  payload: z.base64(),
  payloadType: z.literal(STATEMENT_TYPE),
  signatures: z.array(z.object({ sig: z.base64() })),
});

/** The statement of an envelope that this key has signed; null when it has not, or when it is none. */
export function openEnvelope(envelope: unknown, key: KeyObject): unknown {
  const parsed = envelopeSchema.safeParse(envelope);
  if (!parsed.success) return null;
  const payload = Buffer.from(parsed.data.payload, 'base64');
  const signed = preAuthentication(STATEMENT_TYPE, payload);
  const ours = parsed.data.signatures.some(({ sig }) => verify(null, signed, key, Buffer.from(sig, 'base64')));
  return ours ? (JSON.parse(payload.toString()) as unknown) : null;
}
