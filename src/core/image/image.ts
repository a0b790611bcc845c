import type { Command, Digest } from '../units/quantities.ts';

// Images as the OCI specifications have them: https://github.com/opencontainers/image-spec/tree/v1.1.0

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIGURATION_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** Who containers run as: a number, so that it can be seen not to be root without asking the image for names. */
export const IMAGE_USER = 10_001;

export interface ImageLayer {
  /** Of the compressed layer: its name in a layout and in a registry. */
  readonly digest: Digest;
  /** Of the tar in it: its name in a configuration. */
  readonly diffId: Digest;
  /** Of the compressed layer. */
  readonly bytes: number;
}

/** An image in a layout. */
export interface StoredImage {
  /** What registries call it. */
  readonly manifest: Digest;
  /** Digest of its configuration: what a Docker Engine calls it. */
  readonly config: Digest;
  readonly layers: readonly ImageLayer[];
}

/** How containers of an image start. */
export interface ImageStart {
  readonly command: Command | null;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly healthcheck: Command | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** Processor architectures as Node names them, and as images do (the names of Go). */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** @param architecture as `process.arch` has it */
export const imageArchitecture = (architecture: string): string => ARCHITECTURES[architecture] ?? architecture;

const seconds = (count: number): number => count * 1e9;

/**
 * The configuration of an image. Nothing of when or where it was made is in it: the same layers started the same way are the
 * same image. `Healthcheck` is Docker's addition, which other runtimes pass over.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md
 */
export const imageConfiguration = (
  layers: readonly Pick<ImageLayer, 'diffId'>[],
  start: ImageStart,
  architecture: string,
): Readonly<Record<string, unknown>> => ({
  architecture,
  config: {
    ...(start.command === null ? {} : { Cmd: start.command }),
    Env: Object.entries(start.environment).map(([name, value]) => `${name}=${value}`),
    ...(start.healthcheck === null
      ? {}
      : {
          Healthcheck: { Test: ['CMD', ...start.healthcheck], Interval: seconds(10), Timeout: seconds(3), Retries: 3 },
        }),
    Labels: start.labels,
    User: `${IMAGE_USER}:${IMAGE_USER}`,
    WorkingDir: start.folder,
  },
  created: '1970-01-01T00:00:00Z',
  os: 'linux',
  rootfs: { diff_ids: layers.map(({ diffId }) => diffId), type: 'layers' },
});

/** @see https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md */
export const imageManifest = (
  configuration: { readonly digest: Digest; readonly bytes: number },
  layers: readonly ImageLayer[],
  annotations: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> => ({
  annotations,
  config: { digest: configuration.digest, mediaType: CONFIGURATION_TYPE, size: configuration.bytes },
  layers: layers.map(({ digest, bytes }) => ({ digest, mediaType: LAYER_TYPE, size: bytes })),
  mediaType: MANIFEST_TYPE,
  schemaVersion: 2,
});
