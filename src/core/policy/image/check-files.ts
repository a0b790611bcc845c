import { uidOf } from './check-configuration.ts';
import type { ImageConfig, ImageEntry } from './inspection.ts';
import { type Finding, finding } from './rules.ts';

// Rights are judged by what a container sees: what a later layer replaces is not there for a process, only for a reader.

const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;

/** Programs of a distribution that are setuid or setgid as it ships them; without new privileges they can do nothing. */
const KNOWN_SETUID: ReadonlySet<string> = new Set(
  (
    'su mount umount passwd chsh chfn newgrp gpasswd chage expiry unix_chkpwd wall write ssh-agent sudo ping ping6 ' +
    'ssh-keysign dbus-daemon-launch-helper fusermount fusermount3 bbsuid pam_extrausers_chkpwd'
  ).split(' '),
);

const SHELLS: ReadonlySet<string> = new Set('sh bash dash ash zsh ksh mksh fish busybox toybox'.split(' '));
const PROGRAM_FOLDER = /(?:^|\/)s?bin\/([^/]+)$/;

const octal = (mode: number): string => `0${(mode & 0o7777).toString(8)}`;
const named = (entry: ImageEntry): string => `/${entry.path} (layer ${entry.layer + 1})`;

/** @param tree what a container sees, path to entry */
export function checkFiles(config: ImageConfig, tree: ReadonlyMap<string, ImageEntry>): readonly Finding[] {
  const uid = uidOf(config.user);
  return [...tree.values()].flatMap((entry) => {
    // The bits of a symbolic link mean nothing, those of a hard link are its target's.
    if (entry.kind === 'symlink') return shell(entry);
    return [...setuid(entry), ...worldWritable(entry), ...changeable(entry, uid, gidOf(config.user)), ...shell(entry)];
  });
}

function gidOf(user: string): number | null {
  const gid = /:(\d+)$/.exec(user)?.[1];
  return gid === undefined ? null : Number(gid);
}

function setuid(entry: ImageEntry): readonly Finding[] {
  if (entry.kind !== 'file' && entry.kind !== 'hardlink') return [];
  if ((entry.mode & (SETUID | SETGID)) === 0 && !entry.capable) return [];
  const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
  const isKnown = KNOWN_SETUID.has(name) && /^(?:usr\/)?(?:s?bin|lib(?:exec)?)\//.test(entry.path);
  const bits = [
    entry.mode & SETUID ? 'setuid' : '',
    entry.mode & SETGID ? 'setgid' : '',
    entry.capable ? 'file capabilities' : '',
  ].filter((bit) => bit !== '');
  return [
    finding('setuid', isKnown ? 'warn' : 'refuse', named(entry), `${bits.join(' and ')} (mode ${octal(entry.mode)})`),
  ];
}

function worldWritable(entry: ImageEntry): readonly Finding[] {
  if ((entry.mode & 0o002) === 0) return [];
  if (entry.kind === 'folder' && (entry.mode & STICKY) !== 0) return [];
  if (entry.kind === 'device' && entry.path.startsWith('dev/')) return [];
  return [finding('world-writable', 'refuse', named(entry), `mode ${octal(entry.mode)}`)];
}

/** Whoever owns a file may give himself the right to write, so owning is enough. */
function changeable(entry: ImageEntry, uid: number | null, gid: number | null): readonly Finding[] {
  if (entry.path !== 'app' && !entry.path.startsWith('app/')) return [];
  const owns = uid !== null && uid !== 0 && entry.uid === uid;
  const byGroup = gid !== null && entry.gid === gid && (entry.mode & 0o020) !== 0;
  if (!owns && !byGroup) return [];
  return [
    finding(
      'changeable-code',
      'refuse',
      named(entry),
      owns
        ? `belongs to uid ${entry.uid}, as which the service runs`
        : `group ${entry.gid} may write (${octal(entry.mode)})`,
    ),
  ];
}

function shell(entry: ImageEntry): readonly Finding[] {
  if (entry.kind === 'folder') return [];
  const name = PROGRAM_FOLDER.exec(entry.path)?.[1];
  return name !== undefined && SHELLS.has(name) ? [finding('shell', 'warn', named(entry), `the shell ${name}`)] : [];
}
