import type { Digest, Name } from '../units/quantities.ts';

/** What makes one release another one. */
export interface ReleaseIdentity {
  readonly service: Name;
  readonly artifact: Digest;
  readonly configuration: Digest;
  /** A release built from uncommitted changes is never the same release as a clean one, even with the same bytes. */
  readonly dirty: boolean;
}

/** The text whose sha256 is the release's id: one field a line, none of which can hold a line break. */
export const identityText = (identity: ReleaseIdentity): string =>
  [
    'veza-release-1',
    identity.service,
    identity.artifact,
    identity.configuration,
    ...(identity.dirty ? ['dirty'] : []),
  ].join('\n');

/** Digits of the sha256 that an id carries. */
export const releaseIdDigits = 20;

/**
 * Reads what a person typed for a release: an id or the beginning of one, with or without `rel_`, in any case.
 * Returns the prefix to look for, or null when no id can begin like that.
 */
export const parseReleasePrefix = (text: string): string | null => {
  const digits = /^(?:rel_)?([0-9a-f]{1,20})$/i.exec(text.trim())?.[1];
  return digits === undefined ? null : `rel_${digits.toLowerCase()}`;
};
