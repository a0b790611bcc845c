import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../core/units/quantities.ts';
import { ImageUnreadableError } from '../../errors.ts';
import { asDigest, digestOf, hexOf } from '../digest.ts';
import { Index, Manifest, MOST_DOCUMENT, parseJson, readConfiguration } from './documents.ts';
import { type LayerContents, readLayer } from './layer.ts';
import { type ScanLimits, Spent } from './limits.ts';
import type { ReadImage } from './read-image.ts';
import { asUnreadable } from './unreadable.ts';

/**
 * Reads an image out of an OCI image layout. Every blob must have the digest that names it.
 *
 * @param manifest of the image; null for the only one that the layout holds
 * @param known layers that were read before, such as those of a base; what is read now is added
 * @throws ImageUnreadableError for what is missing, changed, beyond the limits, or no image
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
 */
export async function readFromLayout(
  root: string,
  manifest: Digest | null,
  limits: ScanLimits,
  known: Map<Digest, LayerContents>,
  signal: AbortSignal,
): Promise<ReadImage> {
  const wanted = manifest ?? (await onlyImage(root));
  const name = wanted;
  const read = (digest: Digest, what: string): Promise<string> => document(root, name, digest, what);
  const parsed = Manifest.safeParse(parseJson(await read(wanted, 'manifest')));
  if (!parsed.success) throw new ImageUnreadableError(name, 'its manifest', 'is no manifest of one image');
  const { config, layers, annotations } = parsed.data;
  const configuration = readConfiguration(await read(config.digest as Digest, 'configuration'), annotations ?? {});
  if (configuration === null) throw new ImageUnreadableError(name, 'its configuration', 'is none of an image');
  const spent = new Spent();
  const contents: LayerContents[] = [];
  for (const [index, { digest }] of layers.entries()) {
    const where = `layer ${index + 1} of ${layers.length}`;
    const stream = createReadStream(blob(root, digest as Digest), { signal });
    try {
      const before = known.get(digest as Digest);
      const layer = before ?? (await readLayer(stream, limits, spent, signal));
      const found = before === undefined ? layer.digest : await digestOfStream(stream);
      if (found !== digest) throw new ImageUnreadableError(name, where, `its bytes are not those of ${digest}`);
      known.set(digest as Digest, layer);
      contents.push(layer);
    } catch (error) {
      throw asUnreadable(error, name, where, signal);
    }
  }
  return { name, manifest: wanted, config: config.digest as Digest, configuration, layers: contents };
}

async function digestOfStream(pieces: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return asDigest(hash.digest('hex'));
}

const blob = (root: string, digest: Digest): string => join(root, 'blobs', 'sha256', hexOf(digest));

async function onlyImage(root: string): Promise<Digest> {
  const file = join(root, 'index.json');
  const index = Index.safeParse(parseJson(await small(file, root, 'index.json')));
  if (!index.success) throw new ImageUnreadableError(root, 'index.json', 'is no index of images');
  const digests = [...new Set(index.data.manifests.map(({ digest }) => digest))];
  const [only] = digests;
  if (only === undefined || digests.length > 1) {
    throw new ImageUnreadableError(
      root,
      'index.json',
      `lists ${digests.length} images`,
      'Say which one by the digest of its manifest.',
    );
  }
  return only as Digest;
}

async function document(root: string, image: string, digest: Digest, what: string): Promise<string> {
  const text = await small(blob(root, digest), image, `its ${what}`);
  if (digestOf(text) !== digest)
    throw new ImageUnreadableError(image, `its ${what}`, `its bytes are not those of ${digest}`);
  return text;
}

async function small(file: string, image: string, where: string): Promise<string> {
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    if (size > MOST_DOCUMENT) throw new ImageUnreadableError(image, where, `is ${size} bytes long`);
    return await handle.readFile('utf8');
  } catch (error) {
    if (error instanceof ImageUnreadableError || !(error instanceof Error && 'code' in error)) throw error;
    throw new ImageUnreadableError(image, where, error.code === 'ENOENT' ? 'is not there' : error.message);
  }
}
