import type { ReleaseId } from '../core/release/release.ts';
import { planRetention, type RetentionCandidate } from '../core/retention/plan-retention.ts';
import type { Digest, Name } from '../core/units/quantities.ts';
import type { ArtifactStore } from './artifact-store.ts';
import { ALL_ARTIFACTS, type Claims } from './claims.ts';
import type { ReleaseCatalog } from './release-catalog.ts';

export interface CollectRequest {
  readonly catalog: ReleaseCatalog;
  readonly store: ArtifactStore;
  readonly claims: Claims;
  /** How many of each service stay whatever happens; at least 1. */
  readonly keepNewest: number;
  /**
   * Every release that is deployed in any environment, warm, or named by an active deployment, as it is now. Asked again
   * before each removal; when it fails, the collection stops.
   */
  readonly readInUse: () => Promise<ReadonlySet<ReleaseId>>;
  readonly signal: AbortSignal;
}

export interface Collected {
  readonly releases: readonly ReleaseId[];
  readonly artifacts: readonly Digest[];
  /** Planned, but taken into use meanwhile. */
  readonly spared: readonly ReleaseId[];
  /** True when artifacts could not be looked at because a build was storing one; the next collection does it. */
  readonly artifactsDeferred: boolean;
}

/**
 * Removes the releases that retention does not keep, then the artifacts that no release names any more.
 *
 * A deployment that starts meanwhile is safe: it claims its release, then journals it, then lets go. Whichever comes
 * first wins: either the claim for removal is refused, or the set that is read under it already names the release, or the
 * deployment is refused because the release is going.
 *
 * Killed in between, it leaves at worst an artifact without a release, which the next collection removes.
 */
export const collect = async (request: CollectRequest): Promise<Collected> => {
  const { catalog, signal } = request;
  const candidates = await candidatesOf(catalog, null);
  const plan = planRetention(candidates, await request.readInUse(), request.keepNewest);
  const removed: ReleaseId[] = [];
  const spared: ReleaseId[] = [];
  const serviceOf = new Map(candidates.map(({ id, service }) => [id, service]));
  for (const id of plan.collect) {
    signal.throwIfAborted();
    const wasRemoved = await removeUnlessUsed(request, id, serviceOf.get(id) ?? null);
    (wasRemoved ? removed : spared).push(id);
  }
  const artifacts = await removeUnnamedArtifacts(request);
  return { releases: removed, artifacts: artifacts ?? [], spared, artifactsDeferred: artifacts === null };
};

const candidatesOf = async (catalog: ReleaseCatalog, service: Name | null): Promise<readonly RetentionCandidate[]> =>
  (await catalog.list(service)).map(({ release, order }) => ({ id: release.id, service: release.service, order }));

const removeUnlessUsed = async (
  { catalog, claims, readInUse, keepNewest }: CollectRequest,
  id: ReleaseId,
  service: Name | null,
): Promise<boolean> => {
  const letGo = claims.tryRemove(id);
  if (letGo === null) return false;
  try {
    // Everything again, under the claim: it may have been deployed, or built again and be the newest.
    const plan = planRetention(await candidatesOf(catalog, service), await readInUse(), keepNewest);
    if (!plan.collect.includes(id)) return false;
    await catalog.remove(id);
    return true;
  } finally {
    letGo();
  }
};

const removeUnnamedArtifacts = async ({
  catalog,
  store,
  claims,
  signal,
}: CollectRequest): Promise<readonly Digest[] | null> => {
  const letGo = claims.tryRemove(ALL_ARTIFACTS);
  if (letGo === null) return null;
  try {
    const named = new Set((await catalog.list(null)).map(({ release }) => release.artifact));
    const removed: Digest[] = [];
    for (const { digest } of await store.list()) {
      signal.throwIfAborted();
      if (named.has(digest)) continue;
      await store.remove(digest);
      removed.push(digest);
    }
    return removed;
  } finally {
    letGo();
  }
};
