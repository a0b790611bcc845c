import { createHash } from 'node:crypto';
import type { ImageEntry } from '../../core/policy/image/inspection.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { asDigest } from '../digest.ts';
import { ByteSource } from './byte-source.ts';
import { type ContentFound, ContentReader, TooMuch } from './content.ts';
import type { ScanLimits, Spent } from './limits.ts';
import { packingOf, unpack } from './packing.ts';
import { readTar, type TarEntry, TarRefused } from './tar.ts';

/** Everything that was seen of one layer. */
export interface LayerContents extends ContentFound {
  /** sha256 of the layer as it was given. */
  readonly digest: Digest;
  /** sha256 of the unpacked tar: what the configuration calls the layer. */
  readonly diffId: Digest;
  /** Unpacked. */
  readonly bytes: number;
  readonly entries: readonly Omit<ImageEntry, 'layer'>[];
}

/** Linux takes no longer path (PATH_MAX). */
const MOST_PATH = 4096;

/**
 * Reads one layer, packed or not, in one pass.
 *
 * @param spent counts over all layers of the image
 * @throws TarRefused for what no layer may be, TooMuch for what is beyond the limits; nothing is written anywhere
 */
export async function readLayer(
  pieces: AsyncIterable<Uint8Array>,
  limits: ScanLimits,
  spent: Spent,
  signal: AbortSignal,
): Promise<LayerContents> {
  const digest = createHash('sha256');
  const diffId = createHash('sha256');
  const source = new ByteSource(hashed(pieces, digest));
  const packing = packingOf((await source.peek(512)).toString('latin1'));
  const unpacking = packing === 'gzip' || packing === 'zstd' ? unpack(source.remaining(), packing) : null;
  const reader = new ContentReader(limits, spent, signal);
  const entries: Omit<ImageEntry, 'layer'>[] = [];
  let bytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of unpacking?.content ?? source.remaining()) {
      diffId.update(piece);
      bytes += piece.byteLength;
      spent.bytes += piece.byteLength;
      if (spent.bytes > limits.mostBytes) throw new TooMuch(`it unpacks to more than ${limits.mostBytes} bytes`);
      yield piece;
    }
  };
  try {
    const rest = await readTar(
      counted(),
      async (entry, body) => {
        spent.entries += 1;
        if (spent.entries > limits.mostEntries) throw new TooMuch(`more than ${limits.mostEntries} files`);
        const path = safePath(entry.name);
        if (path === '') return;
        entries.push(toEntry(entry, path));
        if (entry.size > 0) await reader.read(path, entry.size, body);
      },
      signal,
    );
    let hasMore = false;
    for await (const piece of rest) hasMore ||= piece.some((byte) => byte !== 0);
    // No container sees it, but everybody who has the layer.
    if (hasMore) throw new TarRefused('something follows its end');
  } catch (error) {
    if (isUnpackFailure(error)) throw new TarRefused(`it cannot be unpacked (${packing ?? 'tar'})`);
    throw error;
  } finally {
    await unpacking?.stop();
  }
  for await (const _ of source.remaining()) signal.throwIfAborted();
  return {
    ...reader.found,
    digest: asDigest(digest.digest('hex')),
    diffId: asDigest(diffId.digest('hex')),
    bytes,
    entries,
  };
}

async function* hashed(
  pieces: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

const isUnpackFailure = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^(?:Z_|ZSTD_|ERR_ZLIB|ERR_ZSTD)/.test(error.code);

/**
 * A path within the image, without what says nothing.
 *
 * @throws TarRefused for one that could lead out of wherever somebody unpacks it
 */
function safePath(name: string): string {
  if (Buffer.byteLength(name) > MOST_PATH) throw new TarRefused('a path of more than 4,096 bytes');
  if (name.includes('\0')) throw new TarRefused('a path with a zero byte');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..'))
    throw new TarRefused(`the path ${JSON.stringify(name.slice(0, 200))} leads out of the image`);
  return parts.join('/');
}

function toEntry(entry: TarEntry, path: string): Omit<ImageEntry, 'layer'> {
  const { size, mode, uid, gid, capable } = entry;
  const cut = path.lastIndexOf('/') + 1;
  const [folder, name] = [path.slice(0, cut), path.slice(cut)];
  const common = { size, mode, uid, gid, capable };
  if (name === '.wh..wh..opq') return { ...common, path: folder.replace(/\/$/, ''), kind: 'opaque', target: null };
  if (name.startsWith('.wh.')) {
    return { ...common, path: `${folder}${name.slice('.wh.'.length)}`, kind: 'whiteout', target: null };
  }
  const target = entry.type === 'hardlink' ? safePath(entry.target ?? '') : entry.target;
  return { ...common, path, kind: entry.type, target };
}
