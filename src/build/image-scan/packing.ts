/* oxlint-disable no-control-regex -- the bytes by which formats are known */
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** How bytes are packed, by the magic numbers at their beginning. */
export type Packing = 'gzip' | 'zstd' | 'zip' | 'tar' | 'bzip2' | 'xz' | '7z' | 'lz4' | 'rar';

const MAGIC: readonly (readonly [Packing, RegExp])[] = [
  ['gzip', /^\x1f\x8b\x08/],
  ['zstd', /^[\x22-\x28]\xb5\x2f\xfd/],
  ['zip', /^PK(?:\x03\x04|\x05\x06)/],
  ['bzip2', /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/],
  ['xz', /^\xfd7zXZ\0/],
  ['7z', /^7z\xbc\xaf\x27\x1c/],
  ['lz4', /^\x04\x22\x4d\x18/],
  ['rar', /^Rar!\x1a\x07/],
];

/** @param head the first 512 bytes, as Latin-1 */
export function packingOf(head: string): Packing | null {
  if (head.slice(257, 262) === 'ustar') return 'tar';
  return MAGIC.find(([, pattern]) => pattern.test(head))?.[0] ?? null;
}

export interface Unpacking {
  /** Fails as soon as the packed bytes are damaged. */
  readonly content: AsyncIterable<Buffer>;
  /** Ends the reading of the packed bytes, and says when nothing reads them any more. */
  stop(): Promise<void>;
}

/** Unpacks gzip and zstd while it is read. */
export function unpack(pieces: AsyncIterable<Uint8Array>, packing: 'gzip' | 'zstd'): Unpacking {
  const content = packing === 'gzip' ? createGunzip() : createZstdDecompress();
  // A failure arrives at the reader of `content` as well.
  const { promise, resolve } = Promise.withResolvers<void>();
  pipeline(Readable.from(pieces), content, () => resolve());
  return {
    content: content as AsyncIterable<Buffer>,
    stop: async () => {
      content.destroy();
      await promise;
    },
  };
}
