import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { isAlive } from '../system/is-alive.ts';

/** Files of a gateway below the state folder. */
export const gatewayFiles = (stateDir: string) => {
  const folder = path.join(stateDir, 'gateway');
  return {
    folder,
    table: path.join(folder, 'table.json'),
    key: path.join(folder, 'cookie.key'),
    /** Says where the control socket is and which process listens on it. */
    running: path.join(folder, 'running.json'),
    lock: path.join(folder, 'lock'),
    /** Held by the worker that starts a new supervisor, when the one in charge has died. */
    election: path.join(folder, 'election'),
    /** What the certificates came from. */
    tls: path.join(folder, 'tls'),
  };
};

const keyBytes = 32;

/** The key that signs cookies, made on first use; one that is damaged is set aside, and users are placed anew. */
export async function loadKey(file: string): Promise<{ readonly key: Buffer; readonly warning: string | null }> {
  let warning: string | null = null;
  try {
    const key = Buffer.from((await readFile(file, 'utf8')).trim(), 'base64');
    if (key.length === keyBytes) return { key, warning };
    await rename(file, `${file}.corrupt`);
    warning = `The cookie key ${file} was damaged and has been replaced; users of a running canary are placed anew.`;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const key = randomBytes(keyBytes);
  const temporary = `${file}.tmp`;
  await rm(temporary, { force: true });
  await writeFile(temporary, `${key.toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  await rename(temporary, file);
  return { key, warning };
}

/**
 * Makes the folder of the control socket.
 *
 * @param taken whether another gateway may listen there: it is being replaced
 * @throws Error when a gateway listens there already, or the folder belongs to somebody else
 */
export async function prepareSocket(socket: string, taken: boolean): Promise<void> {
  const folder = path.dirname(socket);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const status = await lstat(folder);
  if (!status.isDirectory() || (process.getuid !== undefined && status.uid !== process.getuid())) {
    throw new Error(`${folder} does not belong to this user; the control socket cannot be put there.`);
  }
  if (!taken && (await listens(socket))) throw new Error(`A gateway already listens on ${socket}.`);
}

/** Whether anybody accepts connections on a Unix socket. */
export function listens(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

/**
 * Takes the lock that lets one gateway at a time use a state folder. A lock whose process is gone is taken over.
 *
 * @returns releases the lock
 * @throws Error when a running process holds it
 */
export async function takeLock(
  file: string,
  processIsGateway: (pid: number) => Promise<boolean>,
): Promise<() => Promise<void>> {
  for (;;) {
    try {
      const handle = await open(file, 'wx', 0o600);
      await handle.writeFile(`${process.pid}\n`);
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const holder = Number((await readFile(file, 'utf8').catch(() => '')).trim());
    if (holder > 0 && holder !== process.pid && (await processIsGateway(holder))) {
      throw new Error(`The gateway with process id ${holder} already uses this state folder.`);
    }
    await rm(file, { force: true });
  }
}

/** Where a supervisor listens until it is in charge: beside the control socket, with a name that is not longer. */
export const nextSocket = (socket: string): string => path.join(path.dirname(socket), 'next.sock');

/** Whether a process is one of the gateway of a state folder: process ids are used again. */
export async function isGateway(pid: number, stateDir: string, socket: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform !== 'linux') return listens(socket);
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0').includes(stateDir);
}
