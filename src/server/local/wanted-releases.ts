import type { Claims } from '../../build/claims.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import type { Release } from '../../core/release/release.ts';
import type { Environment } from '../../core/spec/platform.ts';
import { NotDeployedError } from '../../errors.ts';
import { findService } from '../../spec/find-declared.ts';
import type { ImageShelf } from './image-shelf.ts';
import type { ReleaseShelf } from './release-shelf.ts';

export interface ImageParts {
  readonly catalog: ReleaseCatalog;
  readonly claims: Claims;
  readonly shelf: ReleaseShelf;
  readonly images: ImageShelf;
}

export interface WantedReleases {
  /** Empty: all of the environment. */
  readonly services: readonly string[];
  /** Id or prefix; null: the newest one of each. */
  readonly release: string | null;
}

/** Where the environment's images are: on the base that it declares. */
export const imagesFor = ({ images }: ImageParts, { target }: Environment): ImageShelf =>
  images.on(target.kind === 'docker' ? target.base : null);

/**
 * Does something with a release of each service that is meant, one after the other; meanwhile it is not swept away.
 *
 * @param work gets the release and the folder of its unpacked artifact
 * @throws UnknownNameError, NotDeployedError
 */
export async function withReleases<Result>(
  { catalog, claims, shelf }: ImageParts,
  environment: Environment,
  wanted: WantedReleases,
  work: (release: Release, artifactDir: string) => Promise<Result>,
  signal: AbortSignal,
): Promise<readonly Result[]> {
  const names = wanted.services.length === 0 ? Object.keys(environment.services) : wanted.services;
  const services = names.map((service) => findService(environment, service).name);
  const results: Result[] = [];
  for (const service of services) {
    const newest = (await catalog.list(service))[0]?.release;
    const id = wanted.release ?? newest?.id;
    if (id === undefined) throw new NotDeployedError(service, environment.name);
    const release = await catalog.get(id, service);
    const letGo = claims.use(release.id);
    try {
      results.push(await work(release, await shelf.unpack(release, signal)));
    } finally {
      letGo();
    }
  }
  return results;
}
