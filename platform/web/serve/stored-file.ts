import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Encoding } from './choose-encoding.ts';

/** A file with the compressed forms that the build wrote beside it. */
export interface StoredFile {
  readonly contentType: string;
  /** Hash of the uncompressed bytes, without quotes. */
  readonly etag: string;
  readonly forms: Readonly<Partial<Record<Encoding, Buffer>>> & { readonly identity: Buffer };
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Endings of the compressed forms. */
export const COMPRESSED: Readonly<Record<'br' | 'gzip', string>> = { br: '.br', gzip: '.gz' };

/**
 * Reads a file and its compressed forms.
 *
 * @returns null when the file itself is not there
 */
export async function readStoredFile(folder: string, name: string): Promise<StoredFile | null> {
  const path = join(folder, name);
  const [identity, br, gzip] = await Promise.all([
    readIfThere(path),
    readIfThere(path + COMPRESSED.br),
    readIfThere(path + COMPRESSED.gzip),
  ]);
  if (identity === null) return null;
  return {
    contentType: CONTENT_TYPES[extname(name)] ?? 'application/octet-stream',
    etag: createHash('sha256').update(identity).digest('base64url').slice(0, 22),
    forms: { identity, ...(br === null ? {} : { br }), ...(gzip === null ? {} : { gzip }) },
  };
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
