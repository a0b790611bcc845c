import type { ImageConfig, NamedReference } from './inspection.ts';
import { type Finding, finding } from './rules.ts';

/** Lowest uid that is a person's or a service's, not the system's (login.defs(5), UID_MIN). */
const LOWEST_UID = 1000;
/** uids are 32 bits; the highest means "none" to the kernel (chown(2)), and runtimes take what is beyond them differently. */
const HIGHEST_UID = 2 ** 32 - 2;

/** The numeric user of an image; null when it is a name, root, or anything that a runtime would have to look up. */
export function uidOf(user: string): number | null {
  const digits = /^(0|[1-9]\d{0,9})(?::(?:0|[1-9]\d{0,9}))?$/.exec(user)?.[1];
  const uid = digits === undefined ? null : Number(digits);
  return uid === null || uid > HIGHEST_UID ? null : uid;
}

export function checkUser(config: ImageConfig): readonly Finding[] {
  const { user } = config;
  const uid = uidOf(user);
  if (user === '') return [finding('root-user', 'refuse', 'User', 'no user, which is root')];
  if (uid === null) {
    return [finding('root-user', 'refuse', 'User', `the user \`${user}\`, which is not a number that can be verified`)];
  }
  if (uid < LOWEST_UID) return [finding('root-user', 'refuse', 'User', uid === 0 ? 'root (uid 0)' : `uid ${uid}`)];
  return user.endsWith(':0') ? [finding('root-group', 'warn', 'User', 'the group 0')] : [];
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** References must end in a digest. A tag beside a recorded digest is a remark of the build and passes, unless it is `latest`. */
export function checkReferences(references: readonly NamedReference[]): readonly Finding[] {
  return references.flatMap(({ what, name, digest }) => {
    const at = name.indexOf('@');
    const written = at === -1 ? null : name.slice(at + 1);
    const bare = at === -1 ? name : name.slice(0, at);
    const tag = /:([^/:]*)$/.exec(bare)?.[1] ?? null;
    const untagged = tag === null ? bare : bare.slice(0, -(tag.length + 1));
    const where = what === 'image' ? 'name of the image' : 'base';
    const known = digest !== null && DIGEST.test(digest) ? digest : null;
    const next = known === null ? undefined : `Write \`${untagged}@${known}\`.`;
    if (written !== null && !DIGEST.test(written))
      return [finding('floating-reference', 'refuse', where, `\`${name}\`, whose digest is no sha256`, next)];
    if (written !== null && known !== null && written !== known)
      return [finding('floating-reference', 'refuse', where, `\`${name}\`, but it was ${known}`, next)];
    if (written !== null) return [];
    if (tag === 'latest' || (tag === null && known === null))
      return [finding('floating-reference', 'refuse', where, `\`${name}\`, which is \`latest\``, next)];
    if (known === null || what === 'image')
      return [finding('floating-reference', 'refuse', where, `\`${name}\`: a tag can be moved`, next)];
    return [];
  });
}

/** Not `source`: many a repository has no address. https://github.com/opencontainers/image-spec/blob/main/annotations.md */
const WANTED_LABELS = [
  'org.opencontainers.image.revision',
  'org.opencontainers.image.title',
  'org.opencontainers.image.base.digest',
] as const;

export function checkLabels(config: ImageConfig): readonly Finding[] {
  const missing = WANTED_LABELS.filter((label) => (config.labels[label] ?? '') === '');
  return missing.length === 0 ? [] : [finding('labels', 'warn', 'Labels', `no ${missing.join(', ')}`)];
}

/** The base as the labels of the image name it. */
export function baseOfLabels(config: ImageConfig): readonly NamedReference[] {
  const name = config.labels['org.opencontainers.image.base.name'];
  const digest = config.labels['org.opencontainers.image.base.digest'];
  return name === undefined || name === '' ? [] : [{ what: 'base', name, digest: digest ?? null }];
}
