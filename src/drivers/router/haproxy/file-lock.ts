import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing } from './haproxy-files.ts';
import { isAlive } from '../../../system/is-alive.ts';

/** Milliseconds after which a lock whose holder still lives is taken over: it hangs, and its stamps are older by then. */
const hangsMs = 30_000;
const pauseMs = 20;

const turns = new Map<string, Promise<unknown>>();

/** Runs work under a lock that holds among all processes that use the file, and in turn within this one. */
export function underLock<T>(file: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const turn = (turns.get(file) ?? Promise.resolve()).then(async () => {
    await take(file, signal);
    try {
      return await work();
    } finally {
      await rm(file, { force: true });
    }
  });
  turns.set(
    file,
    turn.catch(() => {}),
  );
  return turn;
}

async function take(file: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const handle = await open(file, 'wx', 0o600);
      await handle.writeFile(`${process.pid}\n`);
      await handle.close();
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (await isAbandoned(file)) await rm(file, { force: true });
    else await sleep(pauseMs, undefined, { signal });
  }
}

async function isAbandoned(file: string): Promise<boolean> {
  try {
    const [text, status] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    const age = Date.now() - status.mtimeMs;
    const holder = Number(text.trim());
    // An empty file is one that is just being written, unless it stays so.
    if (!(holder > 0)) return age > 1_000;
    // Ours alone take turns before they come here: it is one of an earlier process with this number.
    if (holder === process.pid) return true;
    return age > hangsMs || !isAlive(holder);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
