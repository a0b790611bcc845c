import { chownSync, lstatSync, readFileSync } from 'node:fs';

/** Who PostgreSQL and PgBouncer run as: neither does as root. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** The user `postgres`, else `nobody`, when this process is root; null when it is somebody already. */
export function unprivileged(): User | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync('/etc/passwd', 'utf8');
  for (const name of ['postgres', 'nobody']) {
    const [, uid, gid] = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(users) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('there is neither a user postgres nor nobody to run PostgreSQL as');
}

/** Gives a file or folder, which must be one and no link, to that user. */
export function give(path: string, user: User | null): void {
  if (user !== null && !lstatSync(path).isSymbolicLink()) chownSync(path, user.uid, user.gid);
}
