import { Problem } from '../kit/problem.ts';

/** The entity tag of a row that counts its versions (RFC 9110, 8.8.3): for `If-Match` of who changes it. */
export function versionTag(version: number): string {
  return `"${version}"`;
}

/**
 * Versions that `If-Match` names; null for `*`, any. Weak tags never match here (RFC 9110, 13.1.1), so they are left out.
 *
 * @throws Problem 428 `if-match-required` without the header: who does not know what is there overwrites what somebody else did
 */
export function versionsToMatch(header: string | undefined): readonly number[] | null {
  if (header === undefined) {
    throw new Problem(
      428,
      'if-match-required',
      'Send If-Match with the ETag of what you have read, or * for whatever is there.',
    );
  }
  if (header.trim() === '*') return null;
  return [...header.matchAll(/(?<!W\/)"(\d{1,9})"/g)].map((match) => Number(match[1]));
}

/** @returns Problem 412, for what has changed since it was read */
export function changedMeanwhile(version: number): Problem {
  return new Problem(412, 'changed-meanwhile', `It has changed since you read it: it is now ${versionTag(version)}.`);
}
