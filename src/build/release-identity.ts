import { canonicalJson } from '../core/release/canonical-json.ts';
import { identityText, type ReleaseIdentity, releaseIdDigits } from '../core/release/identity.ts';
import type { Release, ReleaseId } from '../core/release/release.ts';
import type { Digest } from '../core/units/quantities.ts';
import { digestOf, hexOf } from './digest.ts';

/** sha256 of the canonical JSON (RFC 8785) of the service as each environment runs it. */
export const configurationDigest = (config: Release['config']): Digest => digestOf(canonicalJson(config));

/** `rel_` and the first 20 hexadecimal digits of the sha256 of the identity. */
export const releaseIdOf = (identity: ReleaseIdentity): ReleaseId =>
  `rel_${hexOf(digestOf(identityText(identity))).slice(0, releaseIdDigits)}` as ReleaseId;
