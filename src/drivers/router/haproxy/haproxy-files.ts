import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { socketPath } from '../../../core/socket-path.ts';
import {
  replaceFile as replaceWhole,
  replaceFileDurably as replaceWholeDurably,
} from '../../../system/replace-file.ts';

/** Files of HAProxy below the state folder; docs/haproxy.md lists them. */
export interface StateFiles {
  readonly folder: string;
  readonly config: string;
  readonly history: string;
  readonly table: string;
  readonly arms: string;
  readonly lua: string;
  /** Empty: a name for the map that the Lua script keeps. */
  readonly plain: string;
  readonly key: string;
  readonly answers: string;
  readonly certificates: string;
  readonly running: string;
  readonly lock: string;
  /** Folder of files with a line a request, written by HAProxy. */
  readonly requests: string;
  readonly counts: string;
  readonly log: string;
  /** Folder of the sockets. */
  readonly sockets: string;
  readonly admin: string;
  readonly master: string;
}

/** In the folder of requests: beginnings of streams, which the Lua script appends. */
export const streamsFile = 'streams.log';
/** In the folder of requests: all that one HAProxy wrote, named by the UTC milliseconds of its start. */
export const requestFilePattern = /^\d{13}\.log$/;

/** Room for the longest name of a socket, and for what HAProxy adds while it takes a name over. */
const longestSocketName = 'x'.repeat(56);

export function stateFiles(stateDir: string): StateFiles {
  const folder = path.join(stateDir, 'haproxy');
  const inside = socketPath({
    stateDir: folder,
    name: longestSocketName,
    runtimeDir: process.env['XDG_RUNTIME_DIR'] ?? path.join(os.tmpdir(), `veza-${process.getuid?.() ?? 'user'}`),
    hash: (text) => createHash('sha256').update(text).digest('hex'),
  });
  const sockets = path.dirname(inside);
  const file = (name: string): string => path.join(folder, name);
  return {
    folder,
    config: file('haproxy.cfg'),
    history: file('history'),
    table: file('table.json'),
    arms: file('arms'),
    lua: file('veza.lua'),
    plain: file('plain.map'),
    key: file('cookie.key'),
    answers: file('answers'),
    certificates: file('certificates'),
    running: file('running.json'),
    lock: file('lock'),
    requests: file('requests'),
    counts: file('counts.json'),
    log: file('haproxy.log'),
    sockets,
    admin: path.join(sockets, 'admin.sock'),
    master: path.join(sockets, 'master.sock'),
  };
}

/** Makes the folders, private to the user. */
export async function makeFolders(files: StateFiles): Promise<void> {
  for (const folder of [files.folder, files.history, files.answers, files.requests, files.sockets]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}

let written = 0;

/** Two routers of one process, or of two, never write to the same temporary file. */
function temporaryName(file: string): string {
  written += 1;
  return `${file}.${process.pid}.${written}.tmp`;
}

export const replaceFile = (file: string, text: string): Promise<void> => replaceWhole(file, text, temporaryName(file));

export const replaceFileDurably = (file: string, text: string): Promise<void> =>
  replaceWholeDurably(file, text, temporaryName(file));

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
