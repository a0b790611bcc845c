import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack, type Header, type Pack } from 'tar-stream';
import type { ImageLayer } from '../../core/image/image.ts';
import { asDigest } from '../digest.ts';
import type { ImageLayout } from './layout.ts';

/** What stands in a layer. All of it belongs to root and was changed at the beginning of 1970. */
export type LayerEntry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'text'; readonly path: string; readonly mode: number; readonly text: string }
  /** A file of this machine. */
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      readonly size: number;
      readonly from: string;
    };

/** That of gzip itself. The digest of a layer depends on it, that of the tar in it (`diffId`) does not. */
const LEVEL = 6;
const READ_BYTES = 1024 * 1024;

/**
 * Writes a layer into a layout: a deterministic tar, as of an artifact, compressed by Node's zlib, whose header holds no time and no
 * name. Paths have no `/` in front; folders come before what is in them.
 */
export async function putLayer(
  layout: ImageLayout,
  entries: readonly LayerEntry[],
  signal: AbortSignal,
): Promise<ImageLayer> {
  const tar = pack();
  const feeding = feed(tar, entries, signal).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  const hash = createHash('sha256');
  const gzip = createGzip({ level: LEVEL, chunkSize: READ_BYTES });
  const packing = (async () => {
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (!gzip.write(chunk)) await new Promise((resolve) => gzip.once('drain', resolve));
    }
    gzip.end();
  })().catch((error: unknown) => {
    gzip.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    const { digest, bytes } = await layout.put(gzip as AsyncIterable<Buffer>);
    signal.throwIfAborted();
    await packing;
    return { digest, diffId: asDigest(hash.digest('hex')), bytes };
  } finally {
    tar.destroy();
    gzip.destroy();
    await Promise.all([feeding, packing]);
  }
}

async function feed(tar: Pack, entries: readonly LayerEntry[], signal: AbortSignal): Promise<void> {
  for (const entry of entries) {
    signal.throwIfAborted();
    const header = { name: entry.path, mtime: new Date(0), uid: 0, gid: 0 };
    switch (entry.kind) {
      case 'folder':
        await add(tar, { ...header, type: 'directory', mode: entry.mode }, null);
        break;
      case 'link':
        await add(tar, { ...header, type: 'symlink', mode: 0o777, linkname: entry.target }, null);
        break;
      case 'text':
        await add(tar, { ...header, type: 'file', mode: entry.mode }, Buffer.from(entry.text));
        break;
      case 'file':
        await addFile(tar, { ...header, type: 'file', mode: entry.mode, size: entry.size }, entry.from);
        break;
    }
  }
  tar.finalize();
}

type NewHeader = Partial<Header> & Pick<Header, 'name'>;

const add = (tar: Pack, header: NewHeader, body: Buffer | null): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error === undefined || error === null ? resolve() : reject(error));
    if (body === null) tar.entry(header, done);
    else tar.entry(header, body, done);
  });

/** @throws Error when the file has another size than it was said to have */
async function addFile(tar: Pack, header: NewHeader, from: string): Promise<void> {
  await pipeline(createReadStream(from, { highWaterMark: READ_BYTES }), tar.entry(header));
}
