import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SecretStoreError } from '../../../errors.ts';

const KEY_BYTES = 32;

/** The key, from its file; null when there is no file. @throws SecretStoreError when it is not usable as a key. */
export async function readKey(file: string): Promise<Buffer | null> {
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0) {
      throw new SecretStoreError(
        file,
        'other users can read this key',
        `Run \`chmod 600 ${file}\`; if others use this machine, set all secrets anew.`,
      );
    }
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    if (error instanceof SecretStoreError) throw error;
    throw new SecretStoreError(
      file,
      error instanceof Error ? error.message : 'cannot be read',
      'Check its permissions.',
    );
  }
  const key = Buffer.from(text.trim(), 'base64url');
  if (key.length !== KEY_BYTES) {
    throw new SecretStoreError(
      file,
      'it does not hold a key',
      'Restore the key file from a backup: nothing can be decrypted without it.',
    );
  }
  return key;
}

/** Makes the key unless there is one, and returns what is in force then. */
export async function makeKey(file: string): Promise<Buffer> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${randomUUID()}`;
  try {
    const handle = await open(fresh, 'wx', 0o600);
    try {
      await handle.writeFile(`${randomBytes(KEY_BYTES).toString('base64url')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Linked, never renamed: an existing key is never replaced.
    await link(fresh, file).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    });
  } finally {
    await rm(fresh, { force: true });
  }
  const key = await readKey(file);
  if (key === null) throw new SecretStoreError(file, 'it vanished while it was made', 'Try again.');
  return key;
}
