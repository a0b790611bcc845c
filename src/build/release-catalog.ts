import type { Release, ReleaseId } from '../core/release/release.ts';
import type { Digest, Name } from '../core/units/quantities.ts';

export interface CatalogEntry {
  readonly release: Release;
  /** Place in the order of builds. Building a release again, from the same source, makes it the newest again. */
  readonly order: number;
}

/** What was built. A release is never changed once it is here. */
export interface ReleaseCatalog {
  /**
   * Adds a release, or makes it the newest again when there is one with its id: then what is there stays as it is.
   *
   * @returns the release as it is in the catalog, and whether it was there before
   */
  add(release: Release): Promise<{ readonly release: Release; readonly existed: boolean }>;

  /**
   * Finds a release by its id or by the beginning of one, with or without `rel_`.
   *
   * @param service look only among the releases of this service; null for all
   * @throws ReleaseNotFoundError naming the nearest and the most recent, ReleaseAmbiguousError naming the matches
   */
  get(idOrPrefix: string, service: Name | null): Promise<Release>;

  /** Releases of a service, or of all, newest first. */
  list(service: Name | null): Promise<readonly CatalogEntry[]>;

  /** The artifacts that were built from this source, newest first: builds that need not be done again. */
  artifactsOf(source: Digest): Promise<readonly { readonly artifact: Digest; readonly bytes: number }[]>;

  /** Removes a release. One that is not there is fine. Only the collection does this. */
  remove(id: ReleaseId): Promise<void>;

  close(): Promise<void>;
}
