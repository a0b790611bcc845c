import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/**
 * What the ledger of erasures keeps in place of a person: a keyed hash, which finds somebody whose id is at hand and tells
 * nobody an id. While an erasure is under way it also needs the id itself; that is kept encrypted and is gone at the end.
 */
export interface Subjects {
  /** 64 hexadecimal digits */
  of(personId: string): string;
  seal(personId: string): Buffer;
  /** @throws Error for what another key sealed */
  open(sealed: Buffer): string;
}

/** @param ledgerKey LEDGER_KEY, the same for all instances and as long as the ledger is to be read */
export function createSubjects(ledgerKey: string): Subjects {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', ledgerKey, '', `veza erasures: ${purpose}`, 32));
  const hashing = derive('subject');
  const sealing = derive('seal');
  return {
    of: (personId) => createHmac('sha256', hashing).update(personId.toLowerCase()).digest('hex'),
    seal(personId) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce);
      return Buffer.concat([nonce, cipher.update(personId, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed) {
      const decipher = createDecipheriv('aes-256-gcm', sealing, sealed.subarray(0, 12), { authTagLength: 16 });
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString('utf8');
    },
  };
}
