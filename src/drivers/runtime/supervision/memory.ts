import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import { bytesInWords } from '../../../core/plan/words.ts';
import { CapacityError } from '../../../errors.ts';
import type { SlotDesire } from '../runtime.ts';

/** Memory that can be used without swapping, in bytes: MemAvailable of proc_meminfo(5) where there is one. */
export async function availableMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
}

export const instancesInWords = (count: number): string => (count === 1 ? '1 instance' : `${count} instances`);

/** @throws CapacityError when `count` more instances may use more memory than there is, with figures */
export function checkMemory({ ref, limits }: SlotDesire, count: number, available: number): void {
  const { memory } = limits;
  if (count <= 0 || memory === null || memory * count <= available) return;
  throw new CapacityError(
    `No room for ${instancesInWords(count)} of ${ref.service}: ${bytesInWords(memory * count)} of memory needed ` +
      `(${count} x ${bytesInWords(memory)}), ${bytesInWords(available)} available.`,
    'Lower `limits.memory` or `instances`, or free memory on this machine.',
  );
}
