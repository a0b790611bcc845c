import type { Digest } from '../../core/units/quantities.ts';
import { ImageUnreadableError } from '../../errors.ts';
import { digestOf } from '../digest.ts';
import { ByteSource } from './byte-source.ts';
import { MOST_DOCUMENT, parseJson, readConfiguration, SavedImages } from './documents.ts';
import { type LayerContents, readLayer } from './layer.ts';
import { type ScanLimits, Spent } from './limits.ts';
import { packingOf } from './packing.ts';
import type { ReadImage } from './read-image.ts';
import { readTar } from './tar.ts';
import { asUnreadable } from './unreadable.ts';

/**
 * Reads an image out of what `docker save` writes, in one pass and without a copy: which member is which layer is only told by
 * `manifest.json`, which may come last.
 *
 * @param name of the image (`RepoTags`) or digest of its configuration; null for the only one
 * @throws ImageUnreadableError for what is missing, changed, beyond the limits, or no image
 * @see https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format
 */
export async function readFromArchive(
  pieces: AsyncIterable<Uint8Array>,
  name: string | null,
  limits: ScanLimits,
  signal: AbortSignal,
): Promise<ReadImage> {
  const called = name ?? 'in the archive';
  const documents = new Map<string, string>();
  const layers = new Map<string, LayerContents>();
  const links = new Map<string, string>();
  const spent = new Spent();
  let reading = 'the archive';
  try {
    const rest = await readTar(
      pieces,
      async (entry, body) => {
        const path = plain(entry.name);
        reading = `${path} of the archive`;
        if (entry.target !== null) links.set(path, resolved(path, entry.target));
        if (entry.type !== 'file' || entry.size === 0) return;
        if (documents.has(path) || layers.has(path)) throw new ImageUnreadableError(called, reading, 'is there twice');
        const source = new ByteSource(body);
        const head = (await source.peek(512)).toString('latin1');
        const packing = packingOf(head);
        const isDocument = packing === null && (/^\s*[[{]/.test(head) || entry.size < 512);
        if (!isDocument) layers.set(path, await readLayer(source.remaining(), limits, spent, signal));
        else if (entry.size > MOST_DOCUMENT || documents.size > 3000)
          throw new ImageUnreadableError(called, reading, 'is too long');
        else documents.set(path, (await source.take(entry.size)).toString('utf8'));
      },
      signal,
    );
    for await (const _ of rest) signal.throwIfAborted();
  } catch (error) {
    throw asUnreadable(error, called, reading, signal);
  }
  return assembled(called, name, documents, layers, links);
}

const plain = (path: string): string =>
  path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');

/** Docker's older archives have a layer once, and links to it. */
function resolved(path: string, target: string): string {
  const parts = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function assembled(
  called: string,
  name: string | null,
  documents: ReadonlyMap<string, string>,
  layers: ReadonlyMap<string, LayerContents>,
  links: ReadonlyMap<string, string>,
): ReadImage {
  const saved = SavedImages.safeParse(parseJson(documents.get('manifest.json') ?? ''));
  if (!saved.success) {
    throw new ImageUnreadableError(
      called,
      'manifest.json of the archive',
      'is not there, or lists no images',
      'Write it with `docker save`.',
    );
  }
  const named = saved.data.filter(
    ({ Config, RepoTags }) =>
      name === null || (RepoTags ?? []).includes(name) || Config.includes(name.replace(/^sha256:/, '')),
  );
  const [image] = named;
  if (image === undefined || named.length > 1) {
    throw new ImageUnreadableError(
      called,
      'manifest.json of the archive',
      `lists ${named.length} such images`,
      'Say which one.',
    );
  }
  const text = documents.get(plain(image.Config));
  const configuration = text === undefined ? null : readConfiguration(text, {});
  if (text === undefined || configuration === null) {
    throw new ImageUnreadableError(
      called,
      'its configuration',
      text === undefined ? 'is not in the archive' : 'is none of an image',
    );
  }
  const config = digestOf(text);
  const said = /[0-9a-f]{64}/.exec(image.Config)?.[0];
  if (said !== undefined && config !== `sha256:${said}`) {
    throw new ImageUnreadableError(called, 'its configuration', `its bytes are not those of sha256:${said}`);
  }
  const contents = image.Layers.map((path, index) => {
    const at = plain(path);
    const layer = layers.get(at) ?? layers.get(links.get(at) ?? '');
    if (layer === undefined)
      throw new ImageUnreadableError(called, `layer ${index + 1}`, `${at} is not a layer of the archive`);
    return layer;
  });
  return {
    name: image.RepoTags?.[0] ?? config,
    manifest: null,
    config: config satisfies Digest,
    configuration,
    layers: contents,
  };
}
