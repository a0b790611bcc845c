import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import type { StoredImage } from '../../core/image/image.ts';
import { canonicalJson } from '../../core/release/canonical-json.ts';
import { hexOf } from '../digest.ts';
import type { ImageLayout } from './layout.ts';

/**
 * An image as `docker load` takes it, piece by piece. Layers stay compressed: the Engine looks at what it gets.
 *
 * @param names such as `veza/api:1`; none: the image has its id alone
 * @see https://github.com/moby/moby/blob/v20.10.24/image/spec/v1.2.md
 */
export async function* dockerArchive(
  layout: ImageLayout,
  image: StoredImage,
  names: readonly string[],
): AsyncIterable<Uint8Array> {
  const tar = pack();
  const feeding = feed(tar, layout, image, names).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    yield* tar as AsyncIterable<Buffer>;
  } finally {
    tar.destroy();
    await feeding;
  }
}

async function feed(tar: Pack, layout: ImageLayout, image: StoredImage, names: readonly string[]): Promise<void> {
  const config = `${hexOf(image.config)}.json`;
  const fileOf = (index: number): string => `${String(index).padStart(3, '0')}/layer.tar`;
  const list = [{ Config: config, Layers: image.layers.map((_, index) => fileOf(index)), RepoTags: names }];
  tar.entry({ name: 'manifest.json', mtime: new Date(0) }, canonicalJson(list));
  tar.entry({ name: config, mtime: new Date(0) }, await layout.read(image.config));
  for (const [index, { digest, bytes }] of image.layers.entries()) {
    await pipeline(layout.stream(digest), tar.entry({ name: fileOf(index), size: bytes, mtime: new Date(0) }));
  }
  tar.finalize();
}
