import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MANIFEST_TYPE, type StoredImage } from '../../core/image/image.ts';
import { canonicalJson } from '../../core/release/canonical-json.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { asDigest, digestOf, hexOf } from '../digest.ts';
import { syncFolder } from '../unpacked-tree.ts';
import { sweepLeftovers, temporaryName } from '../work-folder.ts';

const NAME = 'org.opencontainers.image.ref.name';
const temporary = '.partial';

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .transform((text) => text as Digest);
const descriptor = z.object({ digest, size: z.number(), mediaType: z.string() });
const indexSchema = z.object({
  manifests: z.array(descriptor.extend({ annotations: z.record(z.string(), z.string()).optional() })),
});
const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor) });
const configurationSchema = z.object({ rootfs: z.object({ diff_ids: z.array(digest) }) });

export interface Blob {
  readonly digest: Digest;
  readonly bytes: number;
}

/**
 * Images in a folder, as the OCI image layout has it: `oci-layout`, `index.json`, `blobs/sha256/HEX`. What has its final name
 * is complete and on disk.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
 */
export class ImageLayout {
  readonly #root: string;
  readonly #blobs: string;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(root: string) {
    this.#root = root;
    this.#blobs = join(root, 'blobs', 'sha256');
  }

  /** Opens the layout in a folder, makes it when there is none, and removes what killed processes left half-done. */
  static async open(root: string): Promise<ImageLayout> {
    const layout = new ImageLayout(root);
    await mkdir(layout.#blobs, { recursive: true, mode: 0o755 });
    await sweepLeftovers(layout.#blobs, temporary);
    await writeFile(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    return layout;
  }

  path(blob: Digest): string {
    return join(this.#blobs, hexOf(blob));
  }

  async has(blob: Digest): Promise<boolean> {
    return (await stat(this.path(blob)).catch(() => null)) !== null;
  }

  read(blob: Digest): Promise<Buffer> {
    return readFile(this.path(blob));
  }

  stream(blob: Digest): AsyncIterable<Buffer> {
    return createReadStream(this.path(blob), { highWaterMark: 1024 * 1024 });
  }

  /** Keeps a blob under the digest of its bytes. */
  async put(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Blob> {
    const partial = join(this.#blobs, temporaryName(temporary));
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      const handle = await open(partial, 'wx', 0o600);
      try {
        for await (const chunk of chunks) {
          hash.update(chunk);
          bytes += chunk.byteLength;
          await handle.appendFile(chunk);
        }
        await handle.chmod(0o444);
        await handle.sync();
      } finally {
        await handle.close();
      }
      const found = asDigest(hash.digest('hex'));
      await rename(partial, this.path(found));
      await syncFolder(this.#blobs);
      return { digest: found, bytes };
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** The image with this name; null when there is none, or not all of it. */
  async find(name: string): Promise<StoredImage | null> {
    const { manifests } = await this.#index();
    const found = manifests.find(({ annotations }) => annotations?.[NAME] === name);
    return found === undefined ? null : this.image(found.digest);
  }

  /** The image with this manifest; null when not all of it is there. */
  async image(manifest: Digest): Promise<StoredImage | null> {
    if (!(await this.has(manifest))) return null;
    const { config, layers } = manifestSchema.parse(JSON.parse((await this.read(manifest)).toString()));
    if (!(await this.has(config.digest))) return null;
    const { rootfs } = configurationSchema.parse(JSON.parse((await this.read(config.digest)).toString()));
    const present = await Promise.all(layers.map((layer) => this.has(layer.digest)));
    if (present.includes(false) || rootfs.diff_ids.length !== layers.length) return null;
    return {
      manifest,
      config: config.digest,
      layers: layers.map((layer, index) => ({
        digest: layer.digest,
        diffId: rootfs.diff_ids[index] ?? layer.digest,
        bytes: layer.size,
      })),
    };
  }

  /** Gives an image a name; one that had it before loses it. */
  async tag(name: string, { manifest }: StoredImage): Promise<void> {
    const { size } = await stat(this.path(manifest));
    const before = this.#writing;
    const mine = (async () => {
      await before.catch(() => undefined);
      const { manifests } = await this.#index();
      const others = manifests.filter(({ annotations }) => annotations?.[NAME] !== name);
      const entry = { annotations: { [NAME]: name }, digest: manifest, mediaType: MANIFEST_TYPE, size };
      const text = canonicalJson({ manifests: [...others, entry], schemaVersion: 2 });
      const fresh = join(this.#root, `index.json.${randomUUID()}`);
      await writeFile(fresh, text, { flush: true });
      await rename(fresh, join(this.#root, 'index.json'));
    })();
    this.#writing = mine;
    await mine;
  }

  async #index(): Promise<z.output<typeof indexSchema>> {
    const text = await readFile(join(this.#root, 'index.json'), 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '{"manifests":[]}';
      throw error;
    });
    return indexSchema.parse(JSON.parse(text));
  }
}

/** Keeps a JSON document under the digest of its one text. */
export const putJson = async (layout: ImageLayout, value: unknown): Promise<Blob> => {
  const bytes = Buffer.from(canonicalJson(value));
  const blob = digestOf(bytes);
  return (await layout.has(blob)) ? { digest: blob, bytes: bytes.byteLength } : layout.put([bytes]);
};
