import type { Service } from '../spec/platform.ts';
import type { Brand } from '../units/brand.ts';
import type { Digest, Name } from '../units/quantities.ts';

/**
 * `rel_` and the first 20 hexadecimal digits of sha256(service, artifact digest, configuration digest), and of the word
 * "dirty" for a dirty release, which is never the same release as a clean one. The exact text: identity.ts.
 */
export type ReleaseId = Brand<string, 'ReleaseId'>;

/**
 * An immutable build of a service. The configuration of all environments is part of it, so the same release goes
 * through staging and production, and a rollback brings the old configuration back too.
 */
export interface Release {
  readonly id: ReleaseId;
  readonly service: Name;
  readonly artifact: Digest;
  readonly artifactBytes: number;
  readonly configuration: Digest;
  /** The service as each environment runs it, keyed by the environment's name. */
  readonly config: Readonly<Record<string, Service>>;
  /** Digest of the source tree and build recipe: the same means the build can be reused. */
  readonly source: Digest;
  readonly commit: string;
  /** First line of the commit's message, for people. */
  readonly subject: string;
  readonly dirty: boolean;
  readonly builder: string;
  readonly builtAt: number;
}
