import type { ArtifactStore } from '../../build/artifact-store.ts';
import type { ReleaseCatalog } from '../../build/release-catalog.ts';
import type { Release, ReleaseId } from '../../core/release/release.ts';
import type { Releases } from '../../engine/environment.ts';
import type { Digest } from '../../core/units/quantities.ts';
import { ReleaseNotFoundError } from '../../errors.ts';

/** The releases of the catalog, in memory, with their artifacts: releases never change, so a copy is never stale. */
export class ReleaseShelf implements Releases {
  readonly #store: ArtifactStore;
  readonly #byId = new Map<string, Release>();

  private constructor(store: ArtifactStore) {
    this.#store = store;
  }

  static async load(catalog: ReleaseCatalog, store: ArtifactStore): Promise<ReleaseShelf> {
    const shelf = new ReleaseShelf(store);
    for (const { release } of await catalog.list(null)) shelf.add(release);
    return shelf;
  }

  add(release: Release): void {
    this.#byId.set(release.id, release);
  }

  remove(id: ReleaseId): void {
    this.#byId.delete(id);
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  get(id: ReleaseId): Release {
    const release = this.#byId.get(id);
    if (release === undefined) throw new ReleaseNotFoundError(id, null, [], [...this.#byId.keys()].slice(-5));
    return release;
  }

  /** A release with this artifact; null when there is none. */
  withArtifact(artifact: Digest): Release | null {
    for (const release of this.#byId.values()) if (release.artifact === artifact) return release;
    return null;
  }

  artifactOf(id: string): string | null {
    return this.#byId.get(id)?.artifact ?? null;
  }

  unpack(release: Release, signal: AbortSignal): Promise<string> {
    return this.#store.unpack(release.artifact, signal);
  }
}
