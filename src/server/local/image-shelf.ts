import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { assembleImage } from '../../build/image/assemble.ts';
import { dockerArchive } from '../../build/image/docker-archive.ts';
import { ImageLayout } from '../../build/image/layout.ts';
import { makeMachineBase } from '../../build/image/machine-base.ts';
import type { LayerContents } from '../../build/image-scan/layer.ts';
import { DEFAULT_POLICY, scanImage, type ImageReport } from '../../build/image-scan/scan-image.ts';
import { asDigest } from '../../build/digest.ts';
import type { StoredImage } from '../../core/image/image.ts';
import type { Release } from '../../core/release/release.ts';
import type { Digest } from '../../core/units/quantities.ts';
import type { ImageSupply, LoadableImage } from '../../drivers/runtime/docker/image-supply.ts';
import { ArtifactMissingError, ImageRefusedError } from '../../errors.ts';

export interface ImageShelfOptions {
  /** Of the OCI layout that images are kept in. */
  readonly directory: string;
  /** Of OSV's files, read when it is there. */
  readonly osvFolder: string;
  /** Asked when there is no folder; null: never. */
  readonly osvApi: string | null;
  /** A release with this artifact. */
  readonly releaseOf: (artifact: Digest) => Release | null;
  readonly now: () => number;
}

/** An answer is worth waiting for; a network that swallows questions is not. */
const OSV_TIME_MS = 3_000;

interface Opened {
  readonly layout: ImageLayout;
  readonly base: StoredImage;
}

/** Images of releases, made from their artifacts when somebody first asks; what is made, and what was found in it, is kept. */
export class ImageShelf implements ImageSupply {
  readonly #options: ImageShelfOptions;
  #opened: Promise<Opened> | null = null;
  readonly #made = new Map<Digest, Promise<StoredImage>>();
  readonly #layers = new Map<Digest, LayerContents>();

  constructor(options: ImageShelfOptions) {
    this.#options = options;
  }

  async imageOf(artifactDir: string, signal: AbortSignal): Promise<LoadableImage> {
    const { layout } = await this.#open();
    const image = await this.#image(artifactDir, signal);
    return { id: image.config, archive: () => dockerArchive(layout, image, []) };
  }

  /** The image of an artifact, made when there is none yet, where it is kept. */
  async stored(
    artifactDir: string,
    signal: AbortSignal,
  ): Promise<{ readonly layout: ImageLayout; readonly image: StoredImage; readonly base: StoredImage }> {
    const image = await this.#image(artifactDir, signal);
    return { ...(await this.#open()), image };
  }

  /** @throws ImageRefusedError, ImageUnreadableError */
  async check(artifactDir: string, signal: AbortSignal): Promise<ImageReport> {
    const report = await this.scan(artifactDir, signal);
    const refusing = report.findings.filter(({ severity }) => severity === 'refuse');
    if (report.passes && refusing.length === 0) return report;
    throw new ImageRefusedError(
      report.service,
      refusing.map(({ rule, where, found }) => `${rule}: ${where}: ${found}`),
    );
  }

  /**
   * The image of an artifact, made when there is none yet, and what every rule says about it. Never from memory: exceptions run
   * out, and vulnerabilities become known. Layers that were read are not read again.
   *
   * @throws ImageUnreadableError when it cannot be read as a whole
   */
  async scan(artifactDir: string, signal: AbortSignal): Promise<ImageReport> {
    const { directory, osvFolder, osvApi, now } = this.#options;
    const { service } = this.#releaseOf(artifactDir);
    const { manifest } = await this.#image(artifactDir, signal);
    const folder = (await stat(osvFolder).catch(() => null)) === null ? null : osvFolder;
    return scanImage(
      {
        source: { kind: 'layout', root: directory, manifest },
        service,
        references: [],
        sbom: null,
        policy: DEFAULT_POLICY,
        osv: { folder, api: osvApi, timeLimitMs: OSV_TIME_MS },
        known: this.#layers,
        now: now(),
      },
      signal,
    );
  }

  async #image(artifactDir: string, signal: AbortSignal): Promise<StoredImage> {
    const release = this.#releaseOf(artifactDir);
    const making = this.#made.get(release.artifact) ?? this.#make(release, artifactDir);
    this.#made.set(release.artifact, making);
    making.catch(() => this.#made.delete(release.artifact));
    const image = await making;
    signal.throwIfAborted();
    return image;
  }

  /** The store names the folder of an unpacked artifact by its digest. */
  #releaseOf(artifactDir: string): Release {
    const artifact = asDigest(basename(artifactDir));
    const release = this.#options.releaseOf(artifact);
    if (release === null) throw new ArtifactMissingError(artifact, artifactDir);
    return release;
  }

  // Not cancelled with the one who asked: others may wait for the same.
  async #make(release: Release, artifactDir: string): Promise<StoredImage> {
    const [service] = Object.values(release.config);
    if (service === undefined) throw new TypeError(`${release.id} has no configuration`);
    const { layout, base } = await this.#open();
    return assembleImage(
      {
        layout,
        base,
        artifact: release.artifact,
        artifactDir,
        service: release.service,
        run: service.run,
        healthcheck: null,
        annotations: { 'dev.veza.release': release.id, 'org.opencontainers.image.revision': release.commit },
      },
      new AbortController().signal,
    );
  }

  #open(): Promise<Opened> {
    this.#opened ??= (async () => {
      const layout = await ImageLayout.open(this.#options.directory);
      return { layout, base: await makeMachineBase(layout, new AbortController().signal) };
    })().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }
}

/** Where a project's images are, and what is known against what is in them. @param osvApi `VEZA_OSV_API`; `off`: never asked */
export const imagesOf = (
  stateDir: string,
  osvApi: string | undefined,
  releaseOf: ImageShelfOptions['releaseOf'],
): ImageShelf =>
  new ImageShelf({
    directory: join(stateDir, 'images'),
    osvFolder: join(stateDir, 'osv'),
    osvApi: osvApi === 'off' ? null : (osvApi ?? 'https://api.osv.dev'),
    releaseOf,
    now: () => Date.now(),
  });
