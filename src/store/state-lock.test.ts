import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateDirectoryHeldError, StoreUnavailableError } from '../errors.ts';
import { acquireStateLock } from './state-lock.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'veza-lock-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const startedAt = Date.UTC(2030, 0, 1);
const acquire = (): ReturnType<typeof acquireStateLock> => acquireStateLock(directory, { startedAt });

/** Another process that takes the lock, prints its epoch, starts a child of its own and stays. */
async function holder(): Promise<{ process: ChildProcess; epoch: number }> {
  const script = `
    import { spawn } from 'node:child_process';
    import { acquireStateLock } from ${JSON.stringify(join(import.meta.dirname, 'state-lock.ts'))};
    const lock = acquireStateLock(${JSON.stringify(directory)}, { startedAt: ${startedAt} });
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)'], { stdio: 'ignore', detached: true });
    console.log(JSON.stringify({ epoch: lock.epoch, child: child.pid }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  const { epoch, child: grandchild } = JSON.parse(chunk.toString()) as { epoch: number; child: number };
  children.push(grandchild);
  return { process: child, epoch };
}
const children: number[] = [];
afterEach(() => {
  for (const pid of children.splice(0)) process.kill(pid, 'SIGKILL');
});

describe('the lock of a state directory', () => {
  it('is held by one at a time, and the second is told by whom', () => {
    const lock = acquire();
    let error: unknown;
    try {
      acquire();
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(StateDirectoryHeldError);
    expect(error).toMatchObject({ directory, holder: { pid: process.pid, startedAt } });
    expect((error as Error).message).toContain(`process ${process.pid}`);
    expect((error as Error).message).toContain('2030-01-01T00:00:00.000Z');
    lock.release();
    acquire().release();
  });

  it('raises the epoch each time', () => {
    const epochs = [1, 2, 3].map(() => {
      const lock = acquire();
      lock.release();
      lock.release();
      return lock.epoch;
    });
    expect(epochs).toEqual([1, 2, 3]);
  });

  it('exceeds an epoch known from elsewhere, also when its own file was lost', () => {
    acquire().release();
    rmSync(join(directory, 'lock.db'));
    const lock = acquireStateLock(directory, { startedAt, atLeast: () => 41 });
    lock.release();
    expect(lock.epoch).toBe(42);
    const next = acquire();
    next.release();
    expect(next.epoch).toBe(43);
  });

  it('is free as soon as its holder is killed, though a child of the holder lives on', async () => {
    const other = await holder();
    expect(acquire).toThrow(`process ${other.process.pid}`);
    const exited = once(other.process, 'exit');
    other.process.kill('SIGKILL');
    await exited;
    expect(existsSync(join(directory, 'holder.json'))).toBe(true);
    const lock = acquire();
    lock.release();
    expect(lock.epoch).toBe(other.epoch + 1);
  });

  it('lets nobody in when reading another epoch fails, and lets go of the lock', () => {
    const atLeast = (): number => {
      throw new RangeError('the journal cannot be read');
    };
    expect(() => acquireStateLock(directory, { startedAt, atLeast })).toThrow('the journal cannot be read');
    acquire().release();
  });

  it('says what to do when its file is damaged', () => {
    acquire().release();
    writeFileSync(join(directory, 'lock.db'), 'x'.repeat(9000));
    expect(acquire).toThrow(StoreUnavailableError);
    expect(acquire).toThrow('damaged');
  });
});
