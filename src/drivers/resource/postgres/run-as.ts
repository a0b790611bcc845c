import { execFile } from 'node:child_process';
import { hash as digest } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** As whom PostgreSQL runs. It refuses to run as root, for good reasons. */
export type RunAs =
  | { readonly kind: 'self' }
  /** Root in a user namespace that calls it uid 1000: no privileges left, and the files are still its own. */
  | { readonly kind: 'namespace' }
  /** Another user of this machine; its data must be where that user can go. */
  | { readonly kind: 'user'; readonly uid: number; readonly gid: number };

const NAMESPACE = ['--user', '--map-user=1000', '--map-group=1000'] as const;

/** How PostgreSQL can be run by this process, on this machine. */
export async function chooseRunAs(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { kind: 'self' };
  try {
    await promisify(execFile)('unshare', [...NAMESPACE, 'true']);
    return { kind: 'namespace' };
  } catch {
    // No unshare(1) (macOS), or not allowed (containers with the usual seccomp profile).
    return otherUser();
  }
}

/** The user `postgres` when there is one, else `nobody`. */
export async function otherUser(): Promise<RunAs> {
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '');
  for (const name of ['postgres', 'nobody']) {
    const [, uid, gid] = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(users) ?? [];
    if (uid !== undefined && gid !== undefined) return { kind: 'user', uid: Number(uid), gid: Number(gid) };
  }
  return { kind: 'user', uid: 65_534, gid: 65_534 };
}

/** Program, arguments and spawn options that run `program` as said. */
export function asUser(
  runAs: RunAs,
  program: string,
  args: readonly string[],
): { readonly program: string; readonly args: readonly string[]; readonly options: { uid?: number; gid?: number } } {
  switch (runAs.kind) {
    case 'self':
      return { program, args, options: {} };
    case 'namespace':
      // unshare replaces itself by the program: the pid is PostgreSQL's own.
      return { program: 'unshare', args: [...NAMESPACE, '--', program, ...args], options: {} };
    case 'user':
      return { program, args, options: { uid: runAs.uid, gid: runAs.gid } };
  }
}

/** Holds programs and data when PostgreSQL runs as another user. */
export const OTHER_USER_ROOT = '/var/lib/veza-postgres';

/** Where the files of PostgreSQL go: the resource's own folder, unless another user could not get there. */
export function homeFor(runAs: RunAs, directory: string): string {
  if (runAs.kind !== 'user') return directory;
  return join(OTHER_USER_ROOT, digest('sha256', directory, 'hex').slice(0, 16));
}
