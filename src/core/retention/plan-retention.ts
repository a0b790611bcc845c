import type { ReleaseId } from '../release/release.ts';
import type { Name } from '../units/quantities.ts';

export interface RetentionCandidate {
  readonly id: ReleaseId;
  readonly service: Name;
  /** Grows with every build of any release; a place in the order of builds, not a time, so that clocks do not matter. */
  readonly order: number;
}

export type KeepReason = 'newest' | 'in-use';

export interface RetentionPlan {
  readonly keep: readonly { readonly id: ReleaseId; readonly because: KeepReason }[];
  /** Oldest first, so that an interrupted collection has removed what is missed least. */
  readonly collect: readonly ReleaseId[];
}

/**
 * Decides which releases stay: the newest `keepNewest` of each service and everything in use (deployed in any environment,
 * warm, or named by an active deployment). The rest is to be collected.
 *
 * @param keepNewest how many of each service stay whatever happens; at least 1, or a build could be gone before its deployment
 * @throws RangeError when `keepNewest` is not a whole number of at least 1
 */
export const planRetention = (
  releases: readonly RetentionCandidate[],
  inUse: ReadonlySet<ReleaseId>,
  keepNewest: number,
): RetentionPlan => {
  if (!Number.isSafeInteger(keepNewest) || keepNewest < 1) {
    throw new RangeError(`keepNewest must be a whole number of at least 1, not ${keepNewest}`);
  }
  const newestFirst = [...releases].sort((a, b) => b.order - a.order || (a.id < b.id ? -1 : 1));
  const seen = new Map<Name, number>();
  const keep: { id: ReleaseId; because: KeepReason }[] = [];
  const collect: ReleaseId[] = [];
  for (const { id, service } of newestFirst) {
    const newer = seen.get(service) ?? 0;
    seen.set(service, newer + 1);
    if (inUse.has(id)) keep.push({ id, because: 'in-use' });
    else if (newer < keepNewest) keep.push({ id, because: 'newest' });
    else collect.push(id);
  }
  return { keep, collect: collect.toReversed() };
};
