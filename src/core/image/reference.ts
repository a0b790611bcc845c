import { expected, parsed, type Parsed } from '../units/parsed.ts';
import type { Digest } from '../units/quantities.ts';

/** Where an image is in a registry. */
export interface ImageReference {
  /** Host of the registry, with its port when it has one. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | null;
  readonly digest: Digest | null;
}

const HOST =
  /^(?:localhost|[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)+|\[[\da-f:]+\])(?::\d{1,5})?$|^[a-z\d-]+:\d{1,5}$/i;
// https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests
const REPOSITORY = /^[a-z\d]+(?:(?:\.|_|__|-+)[a-z\d]+)*(?:\/[a-z\d]+(?:(?:\.|_|__|-+)[a-z\d]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[\da-f]{64}$/;

/** What is wrong with a text that is no reference. */
export interface NoReference {
  readonly wrong: string;
}

/** Reads `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`. The registry has to be named: what a short name means differs from tool to tool. */
export function readReference(text: string): ImageReference | NoReference {
  const [named = '', digest = null, ...more] = text.split('@');
  if (more.length > 0) return { wrong: 'it has more than one @' };
  if (digest !== null && !DIGEST.test(digest)) return { wrong: 'after @ comes sha256: and 64 hexadecimal digits' };
  const slash = named.indexOf('/');
  const registry = named.slice(0, Math.max(slash, 0));
  if (!HOST.test(registry)) return { wrong: 'it does not begin with the host of a registry' };
  const path = named.slice(slash + 1);
  const colon = path.indexOf(':');
  const [repository, tag] = colon < 0 ? [path, null] : [path.slice(0, colon), path.slice(colon + 1)];
  if (!REPOSITORY.test(repository) || repository.length > 255)
    return { wrong: 'names in a registry are of a to z, digits, and . _ - between them' };
  if (tag !== null && !TAG.test(tag)) return { wrong: `${tag} is no tag` };
  return { registry: registry.toLowerCase(), repository, tag, digest: digest as Digest | null };
}

/** `HOST/REPOSITORY:TAG@DIGEST`, as far as there is something. */
export const referenceText = ({ registry, repository, tag, digest }: ImageReference): string =>
  `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;

/** Whether the registry is on this machine: the only one that is spoken to without TLS. */
export const isLoopbackRegistry = (registry: string): boolean =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(registry);

/** A reference that means the same image for ever. */
export type PinnedReference = ImageReference & { readonly digest: Digest };

/** Reads a reference with its digest. A tag alone can be moved (guide, rule 2). */
export function parsePinnedReference(input: unknown): Parsed<PinnedReference> {
  const read = typeof input === 'string' ? readReference(input) : { wrong: 'it is no text' };
  if ('wrong' in read) return expected(`an image in a registry, HOST/REPOSITORY@sha256:… (${read.wrong})`);
  const { digest } = read;
  if (digest === null)
    return expected(
      `an image by its digest, HOST/REPOSITORY@sha256:…; a tag can be moved (\`veza image base ${referenceText(read)}\` tells the digest)`,
    );
  return parsed({ ...read, digest });
}
