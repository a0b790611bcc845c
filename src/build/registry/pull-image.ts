import { arch } from 'node:process';
import { z } from 'zod';
import { imageArchitecture, type StoredImage } from '../../core/image/image.ts';
import { referenceText, type ImageReference } from '../../core/image/reference.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { BaseUnusableError } from '../../errors.ts';
import type { ImageLayout } from '../image/layout.ts';
import { ImageRegistry } from './image-registry.ts';
import { RegistryLine, type RegistryAccess } from './registry-line.ts';

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/)
  .transform((text) => text as Digest);
const indexSchema = z.object({
  manifests: z.array(
    z.object({ digest, platform: z.object({ os: z.string(), architecture: z.string() }).partial().optional() }),
  ),
});
const manifestSchema = z.object({
  config: z.object({ digest }),
  layers: z.array(z.object({ digest, size: z.number(), mediaType: z.string() })).min(1),
});
const configurationSchema = z.object({
  architecture: z.string(),
  os: z.string(),
  rootfs: z.object({ diff_ids: z.array(digest) }),
});

/**
 * Brings an image from a registry into a layout: the one for this machine, where there are several. What the layout has already
 * is not fetched, and every blob must have the digest that was asked for.
 *
 * @param reference with its digest
 * @throws BaseUnusableError, RegistryUnreachableError, RegistryRefusedError
 */
export async function pullImage(
  layout: ImageLayout,
  reference: ImageReference & { readonly digest: Digest },
  access: RegistryAccess,
  signal: AbortSignal,
): Promise<StoredImage> {
  const name = referenceText(reference);
  const known = await layout.find(name);
  if (known !== null) return known;
  const unusable = (why: string): BaseUnusableError => new BaseUnusableError(name, why);
  const line = new RegistryLine(reference.registry, reference.repository, access);
  try {
    const registry = new ImageRegistry(line, reference.registry);
    const wanted = imageArchitecture(arch);
    let manifest = reference.digest;
    let document = await registry.document(manifest, signal);
    const index = indexSchema.safeParse(json(document));
    if (index.success) {
      const ours = index.data.manifests.find(
        ({ platform }) => platform?.os === 'linux' && platform.architecture === wanted,
      );
      if (ours === undefined) throw unusable(`there is none for linux/${wanted} among them`);
      manifest = ours.digest;
      document = await registry.document(manifest, signal);
    }
    const read = manifestSchema.safeParse(json(document));
    if (!read.success) throw unusable('it is no image');
    const { config, layers } = read.data;
    const foreign = layers.find(({ mediaType }) => !/\.tar(?:\+gzip|\.gzip)?$/.test(mediaType));
    if (foreign !== undefined)
      throw unusable(`a layer is ${foreign.mediaType}, and Docker Engines before 23 take tar and gzip alone`);
    for (const blob of [config.digest, ...layers.map((layer) => layer.digest)]) {
      if (await layout.has(blob)) continue;
      const { digest: found } = await layout.put(await registry.blob(blob, signal));
      if (found !== blob) throw unusable(`the registry gave other bytes for ${blob}`);
    }
    const configuration = configurationSchema.safeParse(json(await layout.read(config.digest)));
    if (!configuration.success) throw unusable('its configuration cannot be read');
    const { os, architecture, rootfs } = configuration.data;
    if (os !== 'linux' || architecture !== wanted)
      throw unusable(`it is for ${os}/${architecture}, and this machine is linux/${wanted}`);
    if (rootfs.diff_ids.length !== layers.length) throw unusable('its configuration names other layers');
    await layout.put([document]);
    const image = await layout.image(manifest);
    if (image === null) throw unusable('it is not whole');
    await layout.tag(name, image);
    return image;
  } finally {
    await line.close();
  }
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return null;
  }
}
