import { createCipheriv, createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ObjectReading } from './object-storage.ts';

/** A signal that never aborts. */
export const never = new AbortController().signal;

/** A body of these chunks. */
export async function* bodyOf(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}

/** A body of these chunks that then breaks off. */
export async function* brokenAfter(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  yield* bodyOf(...chunks);
  throw new Error('the client has gone');
}

/** A body of these chunks that then waits for ever. */
export async function* stuckAfter(
  reached: () => void,
  ...chunks: readonly (string | Uint8Array)[]
): AsyncGenerator<Uint8Array> {
  yield* bodyOf(...chunks);
  reached();
  await new Promise(() => undefined);
}

/** Bytes that look random and are the same for the same seed. */
export function noise(bytes: number, seed = 1): Buffer {
  const key = createHash('sha256').update(`seed ${seed}`).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

export function sha256Of(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Everything of a reading; an empty buffer when there is none. */
export async function contentOf(reading: ObjectReading | null): Promise<Buffer> {
  return reading === null ? Buffer.alloc(0) : Buffer.concat(await reading.body.toArray());
}

/** Files and sockets that this process has open. */
export async function openHandles(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}

/** Bytes of buffers that somebody holds on to; what nobody does is collected first. */
export function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('this Node cannot be told to collect garbage');
  collect();
  return process.memoryUsage().arrayBuffers;
}

/** Waits until it holds. @throws Error after 10 s, with what was last seen */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}
