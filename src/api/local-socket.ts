import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { socketPath } from '../core/socket-path.ts';

/** Where the control plane of a state folder listens. @param stateDir - absolute */
export function controlSocketPath(stateDir: string): string {
  return socketPath({
    stateDir,
    name: 'control.sock',
    runtimeDir: runtimeDir(),
    // The folder for temporary files is everybody's, so the name depends on who asks too.
    hash: (text) => createHash('sha256').update(`${userInfo().uid} ${text}`).digest('hex'),
  });
}

function runtimeDir(): string {
  const given = process.env.XDG_RUNTIME_DIR;
  if (given !== undefined && given.startsWith('/') && given.length < 48) return given;
  return tmpdir().length < 48 ? tmpdir() : '/tmp';
}
