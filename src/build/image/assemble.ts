import { join } from 'node:path';
import { arch } from 'node:process';
import { digestOf } from '../digest.ts';
import { imageArchitecture, imageConfiguration, imageManifest, type StoredImage } from '../../core/image/image.ts';
import { canonicalJson } from '../../core/release/canonical-json.ts';
import type { Command, Digest } from '../../core/units/quantities.ts';
import { walkTree, type TreeEntry } from '../tree.ts';
import { baseEnvironment } from './base-environment.ts';
import { putLayer, type LayerEntry } from './layer.ts';
import { putJson, type ImageLayout } from './layout.ts';

/** Where the artifact is in an image. */
export const APP_FOLDER = '/app';

export interface ImageWanted {
  readonly layout: ImageLayout;
  readonly base: StoredImage;
  /** What the base is called where it comes from; null when it was made here. */
  readonly baseName: string | null;
  readonly artifact: Digest;
  /** The artifact, unpacked and verified. */
  readonly artifactDir: string;
  readonly service: string;
  /** What containers run unless they are told otherwise. */
  readonly run: Command;
  /** The service's own subcommand that says whether it is well. */
  readonly healthcheck: Command | null;
  /** About the release, for people: part of the manifest, not of what a Docker Engine calls the image. */
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * The image of an artifact: the layers of the base, and one with the artifact at /app, which belongs to root and which the user that
 * the service runs as cannot change. The same artifact on the same base, run the same way, is the same image, to the byte.
 */
export async function assembleImage(wanted: ImageWanted, signal: AbortSignal): Promise<StoredImage> {
  const { layout, base, baseName, artifact, service, run, healthcheck, annotations } = wanted;
  const name = `${service}-${digestOf(canonicalJson({ base: base.manifest, baseName, artifact, service, run, healthcheck, annotations })).slice(7, 39)}`;
  const known = await layout.find(name);
  if (known !== null) return known;
  const app = APP_FOLDER.slice(1);
  const entries = (await walkTree(wanted.artifactDir, signal)).map((entry) => inApp(entry, app, wanted.artifactDir));
  const layer = await putLayer(layout, [{ kind: 'folder', path: app, mode: 0o755 }, ...entries], signal);
  const layers = [...base.layers, layer];
  const configuration = await putJson(
    layout,
    imageConfiguration(
      layers,
      {
        command: run,
        folder: APP_FOLDER,
        environment: await baseEnvironment(layout, base),
        healthcheck,
        labels: {
          'dev.veza.artifact': artifact,
          'dev.veza.service': service,
          'org.opencontainers.image.base.digest': base.manifest,
          ...(baseName === null ? {} : { 'org.opencontainers.image.base.name': baseName }),
          'org.opencontainers.image.title': service,
        },
      },
      imageArchitecture(arch),
    ),
  );
  const { digest: manifest } = await putJson(layout, imageManifest(configuration, layers, annotations));
  const image = { manifest, config: configuration.digest, layers };
  await layout.tag(name, image);
  return image;
}

function inApp(entry: TreeEntry, app: string, artifactDir: string): LayerEntry {
  const path = `${app}/${entry.path}`;
  switch (entry.kind) {
    case 'folder':
      return { kind: 'folder', path, mode: 0o555 };
    case 'link':
      return { kind: 'link', path, target: entry.target };
    case 'file': {
      const { size, executable } = entry;
      return { kind: 'file', path, mode: executable ? 0o555 : 0o444, size, from: join(artifactDir, entry.path) };
    }
  }
}
