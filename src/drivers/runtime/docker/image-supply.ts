import type { DockerClient } from './api/client.ts';

export interface LoadableImage {
  /** `sha256:…` of its configuration: what a Docker Engine calls it. */
  readonly id: string;
  /** What `docker load` takes. */
  archive(): AsyncIterable<Uint8Array>;
}

/** Where images of artifacts come from. */
export interface ImageSupply {
  /** The image of an artifact, made when there is none yet. */
  imageOf(artifactDir: string, signal: AbortSignal): Promise<LoadableImage>;
  /**
   * Whether the image may run at all. Asked before a release begins, never of what runs already.
   *
   * @throws ImageRefusedError, ImageUnreadableError
   */
  check(artifactDir: string, signal: AbortSignal): Promise<unknown>;
}

/** Sees to it that a Docker host has the images that it is to run. One at a time: they share most of their layers. */
export class LoadedImages {
  readonly #client: DockerClient;
  readonly #supply: ImageSupply;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(client: DockerClient, supply: ImageSupply) {
    this.#client = client;
    this.#supply = supply;
  }

  async check(artifactDir: string, signal: AbortSignal): Promise<void> {
    await this.#supply.check(artifactDir, signal);
  }

  /** @returns the image's id @throws DockerRefusedError, DockerUnreachableError */
  async load(artifactDir: string, signal: AbortSignal): Promise<string> {
    const before = this.#turn;
    const mine = (async () => {
      await before.catch(() => undefined);
      const image = await this.#supply.imageOf(artifactDir, signal);
      // Asked each time: somebody may have removed it.
      if (!(await this.#client.hasImage(image.id, signal))) await this.#client.loadImage(image.archive(), signal);
      return image.id;
    })();
    this.#turn = mine;
    return mine;
  }
}
