import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Ciphertext and what is needed, beside the key, to open it. */
export interface Envelope {
  readonly format: 1;
  readonly cipher: 'aes-256-gcm';
  readonly nonce: string;
  readonly tag: string;
  readonly ciphertext: string;
}

/**
 * Encrypts and authenticates. A fresh random 96-bit nonce each time, which is safe for 2^32 writes with one key.
 *
 * @param context Bound to the ciphertext but not part of it: what was sealed for one environment does not open for another.
 * @see NIST SP 800-38D, section 8.3
 */
export function sealEnvelope(key: Buffer, context: string, plaintext: string): Envelope {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(context));
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return {
    format: 1,
    cipher: 'aes-256-gcm',
    nonce: nonce.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    ciphertext: ciphertext.toString('base64'),
  };
}

/** The plaintext, or null when a byte was changed, or key or context are not the ones it was sealed with. */
export function openEnvelope(key: Buffer, context: string, envelope: Envelope): string | null {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(envelope.nonce, 'base64'), { authTagLength: 16 });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(Buffer.from(envelope.tag, 'base64'));
    return decipher.update(envelope.ciphertext, 'base64', 'utf8') + decipher.final('utf8');
  } catch {
    return null;
  }
}

/** The envelope in a file's text, or null when it is not one. */
export function parseEnvelope(text: string): Envelope | null {
  try {
    const { format, cipher, nonce, tag, ciphertext } = JSON.parse(text) as Partial<Record<keyof Envelope, unknown>>;
    if (format !== 1 || cipher !== 'aes-256-gcm') return null;
    if (typeof nonce !== 'string' || typeof tag !== 'string' || typeof ciphertext !== 'string') return null;
    return { format, cipher, nonce, tag, ciphertext };
  } catch {
    return null;
  }
}
