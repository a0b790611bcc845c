import type { PrivateKeys } from '../cache/private-key.ts';

/** Keys of what api keeps in its cache, the form's number in each: another form takes another number. */
export interface CacheKeys {
  profile(personId: string): string;
  taste(personId: string): string;
  pool(language: string | null, period: number): string;
  /** All that belong to a person: what an erasure forgets. The pool holds no person's data but ids of tracks and artists. */
  ofPerson(personId: string): readonly string[];
}

/** Before every key of api in a shared Redis. */
export const CACHE_PREFIX = 'veza:api:';

/** What the pools' keys begin with. */
export const POOLS = 'pool1:';

export function createCacheKeys(keys: PrivateKeys): CacheKeys {
  const profile = (personId: string): string => keys.of('profile1', personId);
  const taste = (personId: string): string => keys.of('taste1', personId);
  return {
    profile,
    taste,
    pool: (language, period) => `${POOLS}${period}:${language ?? '*'}`,
    ofPerson: (personId) => [profile(personId), taste(personId)],
  };
}
