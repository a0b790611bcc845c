import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { assembleImage } from '../../build/image/assemble.ts';
import { dockerArchive } from '../../build/image/docker-archive.ts';
import { ImageLayout } from '../../build/image/layout.ts';
import { makeMachineBase } from '../../build/image/machine-base.ts';
import type { LayerContents } from '../../build/image-scan/layer.ts';
import { DEFAULT_POLICY, scanImage, type ImageReport } from '../../build/image-scan/scan-image.ts';
import { asDigest } from '../../build/digest.ts';
import { pullImage } from '../../build/registry/pull-image.ts';
import { dockerLogin } from '../../build/registry/docker-login.ts';
import type { Credentials } from '../../build/registry/authorization.ts';
import { referenceText, type PinnedReference } from '../../core/image/reference.ts';
import type { StoredImage } from '../../core/image/image.ts';
import type { Release } from '../../core/release/release.ts';
import type { Platform } from '../../core/spec/platform.ts';
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
  /** Who we are for a registry that a base comes from; null: nobody. */
  readonly loginOf: (registry: string, signal: AbortSignal) => Promise<Credentials | null>;
  /** What the declaration says of images, as it is at the moment. */
  readonly rules: () => Platform['images'];
  readonly now: () => number;
}

/** An answer is worth waiting for; a network that swallows questions is not. */
const OSV_TIME_MS = 3_000;

interface Opened {
  readonly layout: ImageLayout;
  readonly base: StoredImage;
}

/** What shelves with different bases have in common. */
interface Shared {
  layout: Promise<ImageLayout> | null;
  readonly layers: Map<Digest, LayerContents>;
  readonly siblings: Map<string, ImageShelf>;
}

/** Images of releases, made from their artifacts when somebody first asks; what is made, and what was found in it, is kept. */
export class ImageShelf implements ImageSupply {
  readonly #options: ImageShelfOptions;
  readonly #base: PinnedReference | null;
  readonly #shared: Shared;
  #opened: Promise<Opened> | null = null;
  readonly #made = new Map<Digest, Promise<StoredImage>>();

  /** With images on a base made of this machine; `on` gives others. */
  constructor(options: ImageShelfOptions, base: PinnedReference | null = null, shared: Shared | null = null) {
    this.#options = options;
    this.#base = base;
    this.#shared = shared ?? { layout: null, layers: new Map(), siblings: new Map() };
  }

  /** Where images on this base are. @param base null: made of this machine */
  on(base: PinnedReference | null): ImageShelf {
    const name = base === null ? '' : referenceText(base);
    const shelf = this.#shared.siblings.get(name) ?? new ImageShelf(this.#options, base, this.#shared);
    this.#shared.siblings.set(name, shelf);
    return shelf;
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
    const { directory, osvFolder, osvApi, rules, now } = this.#options;
    const { service } = this.#releaseOf(artifactDir);
    const { manifest } = await this.#image(artifactDir, signal);
    const folder = (await stat(osvFolder).catch(() => null)) === null ? null : osvFolder;
    return scanImage(
      {
        source: { kind: 'layout', root: directory, manifest },
        service,
        references: [],
        sbom: null,
        policy: { ...DEFAULT_POLICY, ...rules() },
        osv: { folder, api: osvApi, timeLimitMs: OSV_TIME_MS },
        known: this.#shared.layers,
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
        // Of several for different machines it is this one's.
        baseName: this.#base === null ? null : referenceText({ ...this.#base, digest: base.manifest }),
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
    this.#opened ??= this.#openBase().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }

  async #openBase(): Promise<Opened> {
    const signal = new AbortController().signal;
    this.#shared.layout ??= ImageLayout.open(this.#options.directory);
    const layout = await this.#shared.layout.catch((error: unknown) => {
      this.#shared.layout = null;
      throw error;
    });
    const base = this.#base;
    if (base === null) return { layout, base: await makeMachineBase(layout, signal) };
    const credentials = await this.#options.loginOf(base.registry, signal);
    return { layout, base: await pullImage(layout, base, { credentials, authority: null }, signal) };
  }
}

/** Where a project's images are, and what is known against what is in them. @param osvApi `VEZA_OSV_API`; `off`: never asked */
export const imagesOf = (
  stateDir: string,
  osvApi: string | undefined,
  releaseOf: ImageShelfOptions['releaseOf'],
  rules: ImageShelfOptions['rules'],
): ImageShelf =>
  new ImageShelf({
    directory: join(stateDir, 'images'),
    osvFolder: join(stateDir, 'osv'),
    osvApi: osvApi === 'off' ? null : (osvApi ?? 'https://api.osv.dev'),
    releaseOf,
    rules,
    loginOf: (registry, signal) => dockerLogin(registry, process.env, signal),
    now: () => Date.now(),
  });
